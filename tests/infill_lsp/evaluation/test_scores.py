"""Scores against slow and obvious versions of themselves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.evaluation.case import Answer, Case
from infill_lsp.evaluation.scores import (
    distance,
    edit_similarity,
    exact,
    first_run,
    interval,
    mean,
    outcome,
    parses,
    quantile,
)

TEXTS = st.text("ab \n", max_size=90)


def plain_distance(a: str, b: str) -> int:
    @cache
    def least(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(
            least(i - 1, j) + 1, least(i, j - 1) + 1, least(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        )

    for row in range(0, len(a) + 1, 40):  # keeps the recursion shallow
        least(row, len(b))
    return least(len(a), len(b))


@given(TEXTS, TEXTS)
def test_distance_is_levenshteins(a: str, b: str) -> None:
    assert distance(a, b) == plain_distance(a, b)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_distance_is_a_metric(a: str, b: str, c: str) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, c) <= distance(a, b) + distance(b, c)


@given(TEXTS, TEXTS)
def test_similarity_is_one_for_exact_texts_only(a: str, b: str) -> None:
    assert 0 <= edit_similarity(a, b) <= 1
    assert (edit_similarity(a, b) == 1) == exact(a, b)


def test_white_space_at_the_end_does_not_count() -> None:
    assert exact("a + b", "a + b\n")
    assert not exact(" a + b", "a + b")
    assert edit_similarity("", "    \n") == 1
    assert edit_similarity("abcd", "abce") == 0.75


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("self.total += 1", ("self", ".", "total")),
        ("return a + b", ("return", "a")),
        ("print(x)", ("print",)),
        ("(x)", ("(",)),
        ("...", (".", ".", ".")),
        ("= 3", ("=",)),
        ("größe_1", ("größe_1",)),
        ("   ", ()),
        ("", ()),
    ],
)
def test_first_run(text: str, run: tuple[str, ...]) -> None:
    assert first_run(text) == run


@pytest.mark.parametrize(
    ("text", "fine"),
    [("a + b", True), ("", True), ("a + b)", False), ("a +", False), ("'a", False)],
)
def test_parses_means_no_more_errors_than_with_the_right_text(
    case: Case, text: str, fine: bool
) -> None:
    assert parses(case, text) is fine


def test_a_file_that_was_broken_anyway_may_stay_so(case: Case) -> None:
    broken = replace(case, prefix="def g(:\n\n" + case.prefix)
    assert parses(broken, "a + b")
    assert not parses(broken, "a + b)")
    assert parses(replace(case, language="cobol"), "a + b)")


def test_an_outcome_says_all_of_an_answer(case: Case) -> None:
    good = outcome(case, Answer("a + b", True, None, 3, 3, 12.5), "passed")
    assert (good.exact, good.edit_similarity, good.parses, good.first_run) == (True, 1, True, True)
    assert good.passed
    bad = outcome(case, Answer("", False, "nothing good found here"))
    assert (bad.exact, bad.edit_similarity, bad.parses, bad.first_run) == (False, 0, True, False)
    assert not bad.passed
    assert bad.silence == "nothing good found here"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_the_smallest_that_enough_are_not_above(
    values: list[float], share: float
) -> None:
    found = quantile(values, share)
    assert found in values
    assert found is not None
    enough = share * len(values) - 1e-9
    assert sum(value <= found for value in values) >= enough
    assert all(
        sum(other <= value for other in values) < share * len(values) + 1e-9
        for value in values
        if value < found
    )


def test_averages_of_nothing_are_none() -> None:
    assert mean([]) is None
    assert quantile([], 0.5) is None
    assert interval({}, 0) is None
    assert interval({"a": []}, 0) is None


@given(
    st.dictionaries(st.text(max_size=3), st.lists(st.booleans(), min_size=1), min_size=1),
    st.integers(0, 9),
)
def test_an_interval_lies_within_the_values_and_repeats(
    groups: dict[str, list[bool]], seed: int
) -> None:
    found = interval(groups, seed)
    assert found == interval(groups, seed)
    assert found is not None
    low, high = found
    shares = [sum(values) / len(values) for values in groups.values()]
    assert min(shares) - 1e-9 <= low <= high <= max(shares) + 1e-9


def test_an_interval_is_about_that_of_the_binomial() -> None:
    independent = {str(number): [number < 120] for number in range(400)}
    low, high = interval(independent, 0) or (0, 0)
    assert low == pytest.approx(0.3 - 1.96 * 0.0229, abs=0.01)
    assert high == pytest.approx(0.3 + 1.96 * 0.0229, abs=0.01)


def test_cases_that_are_alike_widen_the_interval() -> None:
    alike = {str(number): [number < 12] * 10 for number in range(40)}
    independent = {f"{number}": [number < 120] for number in range(400)}
    wide, narrow = interval(alike, 0), interval(independent, 0)
    assert wide is not None
    assert narrow is not None
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
