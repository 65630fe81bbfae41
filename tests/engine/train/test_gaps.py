"""Gaps are cut where programmers leave them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.train.gaps import KINDS, LONGEST, Gap, choose, gap_before
from engine.train.recipe import GAP_SHARES

TEXT = """\
import os

def area(width, height):
    total = width * height
    return total

class Box:
    def __init__(self):
        self.size = area(2, 3)
"""
SPANS = {"statement": [(TEXT.index("return"), TEXT.index("return") + len("return total"))]}


def cut(kind: str, seed: int) -> tuple[str, str, str]:
    gap = KINDS[kind](TEXT, SPANS, Random(seed))
    assert gap is not None
    return TEXT[: gap.start], TEXT[gap.start : gap.end], TEXT[gap.end :]


@pytest.mark.parametrize("seed", range(20))
def test_each_kind_is_what_it_says(seed: int) -> None:
    before, gap, after = cut("rest_of_line", seed)
    assert after.startswith("\n")
    assert "\n" not in gap
    assert gap

    before, gap, after = cut("within_line", seed)
    assert before.rsplit("\n", 1)[-1].strip()
    assert after.split("\n", 1)[0]
    assert gap
    assert "\n" not in gap

    before, gap, after = cut("line", seed)
    assert before.rsplit("\n", 1)[-1].strip() == ""
    assert gap == gap.lstrip()
    assert after.startswith("\n")

    before, gap, after = cut("indented_line", seed)
    assert before == "" or before.endswith("\n")
    assert "\n" not in gap
    assert after.startswith("\n")

    before, gap, after = cut("whole_line", seed)
    assert before == "" or before.endswith("\n")
    assert gap.endswith("\n")
    assert gap.count("\n") == 1

    before, gap, after = cut("whole_lines", seed)
    assert before == "" or before.endswith("\n")
    assert gap.endswith("\n")
    assert gap.strip()

    before, gap, after = cut("lines", seed)
    assert after.startswith("\n")
    assert gap == gap.rstrip()

    before, gap, after = cut("nothing", seed)
    assert gap == ""
    assert after.startswith("\n")

    assert cut("statement", seed)[1] == "return total"


def test_a_text_without_such_a_place_has_no_gap_there() -> None:
    assert KINDS["block"](TEXT, SPANS, Random(0)) is None
    assert KINDS["line"]("\n\n\n", {}, Random(0)) is None


def test_kinds_are_chosen_by_their_shares() -> None:
    kinds = Counter(
        choose(TEXT, SPANS, {"statement": 3, "nothing": 1}, random) is not None
        and random.random() < 2
        for random in [Random(1)]
        for _ in range(10)
    )
    assert kinds[True] == 10
    found = [
        choose(TEXT, SPANS, {"statement": 3, "nothing": 1}, Random(seed)) for seed in range(800)
    ]
    empty = sum(gap is not None and gap.empty for gap in found)
    assert 140 < empty < 260  # a quarter


def test_recipes_name_only_known_kinds() -> None:
    assert set(GAP_SHARES) == set(KINDS)


@given(st.text(alphabet="ab (\n\té", min_size=1, max_size=200), st.integers(0, 10_000))
def test_gaps_lie_in_the_text_and_are_not_too_long(text: str, seed: int) -> None:
    gap = choose(text, {}, GAP_SHARES, Random(seed))
    if gap is not None:
        assert 0 < gap.start <= gap.end <= len(text)
        assert gap.end - gap.start <= LONGEST


@pytest.mark.parametrize("seed", range(20))
def test_a_gap_before_a_far_suffix_ends_where_that_begins(seed: int) -> None:
    end = TEXT.index("\n\nclass")
    gap = gap_before(TEXT, end, Random(seed))
    assert gap is None or (gap.end == end and TEXT[gap.start : gap.end].strip())


def test_an_empty_gap_knows_it() -> None:
    assert Gap(3, 3).empty
    assert not Gap(3, 4).empty
