"""Copies are found, whatever is done to their layout; what only looks alike stays."""

import random

from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.corpus.duplicates import RUN, Copies
from infill_lsp.corpus.words import run_hashes, word_hashes


def text_of(seed: int, words: int = 400) -> list[str]:
    choose = random.Random(seed)
    return [choose.choice("abcdefghij") + str(choose.randrange(30)) for _ in range(words)]


def has(copies: Copies, words: list[str]) -> bool:
    return copies.has(word_hashes(" ".join(words)))


def similarity(one: list[str], other: list[str]) -> float:
    """The slow and obvious way: shared runs by all runs."""
    runs = [
        {tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1)}
        for words in (one, other)
    ]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_the_first_stays() -> None:
    copies = Copies()
    assert not copies.has(word_hashes("def f(): return 1"))
    assert copies.has(word_hashes("def f():\n    return 1\n"))
    assert not copies.has(word_hashes("def f(): return 2"))


def test_near_copies_by_the_exact_similarity() -> None:
    """MinHash only estimates; far from its threshold it must agree with counting."""
    copies = Copies()
    original = text_of(0)
    assert not has(copies, original)
    for changes in (1, 2, 3, 60, 100, 200):
        other = list(original)
        for number in range(changes):
            other[number * len(other) // changes] = f"new{number}"
        exact = similarity(original, other)
        assert not 0.55 < exact < 0.85, "chosen so that the estimate cannot matter"
        assert has(copies, other) == (exact > 0.7)


def test_different_texts_are_no_copies() -> None:
    copies = Copies()
    assert [has(copies, text_of(seed)) for seed in range(1, 30)] == [False] * 29


def test_texts_shorter_than_a_run() -> None:
    copies = Copies()
    for text in ("", "a", "a b", "b a"):
        assert not copies.has(word_hashes(text))
        assert copies.has(word_hashes(text))


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 6))
def test_equal_runs_have_equal_hashes_and_others_do_not(words: list[str], length: int) -> None:
    hashes = run_hashes(word_hashes(" ".join(words)), length).tolist()
    runs = [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]
    assert len(hashes) == len(runs)
    # 64 bits: two of at most 3**6 runs meet with odds below 1 in 10**13.
    assert len(set(hashes)) == len(set(runs))
    assert len(set(zip(runs, hashes, strict=True))) == len(set(runs))
