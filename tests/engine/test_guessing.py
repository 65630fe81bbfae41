"""Where the same tokens stood before, by a search that anybody can follow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.guessing import LONGEST, MOST, SHORTEST, Guesser

IDS = st.lists(st.integers(0, 3), max_size=24)


def plain(sources: list[list[int]], ids: list[int], most: int, never: list[int]) -> list[int]:
    for length in range(min(LONGEST, len(ids)), SHORTEST - 1, -1):
        for source in sources:
            for end in range(len(source) - 1, length - 1, -1):
                if source[end - length : end] == ids[-length:]:
                    guess = []
                    for id_ in source[end : end + most]:
                        if id_ in never:
                            break
                        guess.append(id_)
                    return guess
    return []


@given(st.lists(IDS, max_size=3), IDS, st.integers(0, 8), st.lists(st.integers(0, 3), max_size=1))
def test_agrees_with_a_plain_search(
    sources: list[list[int]], ids: list[int], most: int, never: list[int]
) -> None:
    assert Guesser(sources, never).after(ids, most) == plain(sources, ids, most, never)


def test_the_longest_match_wins_then_the_first_source_then_the_latest_place() -> None:
    short, long = [5, 6, 7], [4, 5, 6, 8, 9]
    assert Guesser([short, long]).after([4, 5, 6]) == [8, 9]
    assert Guesser([short, long]).after([3, 5, 6]) == [7]
    assert Guesser([[1, 2, 3, 1, 2, 4]]).after([1, 2]) == [4]


def test_few_are_guessed_and_none_past_an_end() -> None:
    assert Guesser([list(range(20))]).after([0, 1]) == list(range(2, 2 + MOST))
    assert Guesser([list(range(20))], never=[4]).after([0, 1]) == [2, 3]
    assert Guesser([[0, 1]]).after([0, 1]) == []
