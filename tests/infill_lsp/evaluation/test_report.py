"""What the numbers count."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from infill_lsp.evaluation import report
from infill_lsp.evaluation.case import Answer, Case, Outcome
from infill_lsp.evaluation.scores import outcome


@pytest.fixture
def outcomes(case: Case) -> list[Outcome]:
    other = replace(
        case, prefix="package f\n\nvar x = ", kind="block", language="go", group="other"
    )
    return [
        outcome(case, Answer("a + b", True, None, 2, 3, 10.0), "passed"),
        outcome(case, Answer("a + c", True, None, 2, 3, 30.0), "failed", "NameError"),
        outcome(other, Answer("a +)", True, None, 4, 2, 20.0), "failed", "SyntaxError"),
        outcome(case, Answer("", False, "nothing good found here", 8, 0, 40.0), "failed"),
    ]


def test_a_summary_counts_silence_as_empty_and_quality_of_what_is_shown(
    outcomes: list[Outcome],
) -> None:
    found = report.summary(outcomes, 0)
    assert found["cases"] == 4
    assert found["pass_at_1"] == 0.25
    assert found["exact"] == 0.25
    assert found["edit_similarity"] == round((1 + 0.8 + 0.6 + 0) / 4, 4)
    assert found["shown"] == 0.75
    assert found["parses"] == round(2 / 3, 4)
    assert found["first_run"] == 1.0
    assert found["forwards"] == 4.0
    assert found["tokens_per_forward"] == 1.0
    assert (found["ms_p50"], found["ms_p95"]) == (20.0, 40.0)
    low, high = found["interval"]  # type: ignore[misc]
    assert low <= 0.25 <= high


def test_without_programs_the_interval_is_that_of_exact_texts(outcomes: list[Outcome]) -> None:
    texts = [replace(each, verdict=None, exact=True) for each in outcomes]
    found = report.summary(texts, 0)
    assert found["pass_at_1"] is None
    assert found["interval"] == [1.0, 1.0]


def test_a_summary_of_nothing_holds_nothing() -> None:
    found = report.summary([], 0)
    assert found.pop("cases") == 0
    assert set(found.values()) == {None}


def test_pairs_pass_where_both_fills_fit_and_differ_where_both_are_shown(case: Case) -> None:
    def pair(name: str, *fills: tuple[str, str]) -> list[Outcome]:
        member = replace(case, group=name)
        return [outcome(member, Answer(text, bool(text)), verdict) for text, verdict in fills]

    outcomes = [
        *pair("both", ("a", "passed"), ("b", "passed")),
        *pair("one", ("a", "passed"), ("a ", "failed")),
        *pair("silent", ("a", "passed"), ("", "failed")),
        *pair("neither", ("x", "failed"), ("y", "failed")),
    ]
    found = report.summary_of_pairs(outcomes, 0)
    assert (found["cases"], found["pass_at_1"]) == (4, 0.25)
    assert (found["fits"], found["differ"]) == (0.5, 0.5)
    assert found["shown"] == round(7 / 8, 4)
    low, high = found["interval"]  # type: ignore[misc]
    assert (low, high) == (0.0, 0.75)
    assert set(found) - {"fits", "differ"} == set(report.summary(outcomes, 0))
    assert report.summary_of_pairs([], 0)["pass_at_1"] is None


def test_the_breakdown_has_each_language_and_all_of_them(outcomes: list[Outcome]) -> None:
    parts = report.breakdown(outcomes, 0)
    assert [(part["kind"], part["language"], part["cases"]) for part in parts] == [
        ("block", "all", 1),
        ("block", "go", 1),
        ("line", "all", 3),
        ("line", "python", 3),
    ]
    assert len(report.breakdown(outcomes[:2], 0)) == 1


def test_reasons_are_counted(outcomes: list[Outcome]) -> None:
    assert report.reasons(outcomes) == {
        "verdicts": {"failed": 3, "passed": 1},
        "silences": {"nothing good found here": 1},
    }


def test_the_table_leaves_out_what_was_not_measured(outcomes: list[Outcome]) -> None:
    def drawn(rows: list[Outcome]) -> str:
        out = io.StringIO()
        Console(file=out, width=140).print(report.table(report.breakdown(rows, 0)))
        return out.getvalue()

    assert "pass@1" in drawn(outcomes)
    assert "25.0%" not in drawn(outcomes)
    assert "33.3%" in drawn(outcomes)
    texts = [replace(each, verdict=None, forwards=0) for each in outcomes]
    assert "pass@1" not in drawn(texts)
    assert "tok/fwd" not in drawn(texts)
