"""Who answers: the product sees what stands around a gap and nothing of what stood in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fake_engine import FakeEngine

from engine import Draft, Fill, Stats, Stop, Token
from infill_lsp.evaluation import fillers
from infill_lsp.evaluation.case import Case
from infill_lsp.settings import Settings


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_the_product_is_asked_as_on_request_without_the_gaps_length(
    case: Case, runner: asyncio.Runner
) -> None:
    engine = FakeEngine("a + b", steps=3)
    filled = fillers.product(engine, runner, seed=5, deadline=2.0)(case)
    assert (filled.text, filled.shown, filled.silence) == ("a + b", True, None)
    assert filled.forwards == 3
    assert filled.ms > 0
    (request,) = engine.requests
    assert (request.prefix, request.suffix) == (case.prefix, case.suffix)
    assert (request.path, request.language) == ("f.py", "python")
    assert request.max_tokens is None
    assert (request.variants, request.seed, request.deadline) == (1, 5, 2.0)


def test_the_product_is_asked_as_while_typing_too(case: Case, runner: asyncio.Runner) -> None:
    """Within a word it is quiet then."""
    within = replace(case, prefix="def f(a, b):\n    ret", suffix="urn a\n", middle="")
    engine = FakeEngine("x")
    filled = fillers.product(engine, runner, automatic=True)(within)
    assert (filled.shown, engine.requests) == (False, [])
    assert filled.silence is not None


def test_two_cases_that_differ_in_the_gap_only_are_asked_alike(
    case: Case, runner: asyncio.Runner
) -> None:
    engine = FakeEngine("a")
    filler = fillers.product(engine, runner)
    for middle in ("a + b", "a * (b + 1)  # longer\n    # and longer"):
        filler(replace(case, middle=middle))
    first, second = (replace(request, is_complete=None) for request in engine.requests)
    assert first == second


def test_a_fill_that_is_refused_counts_as_empty(case: Case, runner: asyncio.Runner) -> None:
    filled = fillers.product(FakeEngine("   "), runner)(case)
    assert (filled.text, filled.shown, filled.tokens) == ("", False, 0)
    assert filled.silence == "nothing good found here"


def test_gaps_where_typing_gets_no_suggestion_are_asked_all_the_same(
    case: Case, runner: asyncio.Runner
) -> None:
    inside_word = replace(case, prefix="def f(a, b):\n    ret", suffix="urn a\n", middle="")
    engine = FakeEngine("x")
    fillers.product(engine, runner)(inside_word)
    assert engine.requests


def test_baselines(case: Case, runner: asyncio.Runner) -> None:
    assert fillers.gold(case).text == case.middle
    assert fillers.gold(case).shown
    assert fillers.empty(case).text == ""
    assert not fillers.empty(case).shown
    assert fillers.ceiling(runner)(case).text == "a + b"


def test_the_ceiling_goes_through_the_products_post_processing(
    case: Case, runner: asyncio.Runner
) -> None:
    assert Settings().multiline == "auto"
    broken = replace(case, middle="a + b)))")
    assert fillers.ceiling(runner)(broken).text == "a + b"


def test_a_hidden_suffix_is_seen_by_nobody(case: Case, runner: asyncio.Runner) -> None:
    engine = FakeEngine("a + b)")
    within = replace(case, prefix="def f(a, b):\n    return (", suffix=") * 2\n")
    shown = fillers.product(engine, runner)
    assert shown(within).text == "a + b"
    assert fillers.without_suffix(shown)(within).text == "a + b)"
    assert [request.suffix for request in engine.requests] == [") * 2\n", ""]


def token(text: str, *, free: bool = True, settled: bool = True) -> Token:
    return Token(text, 1.0, free, settled)


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("a", 1), ("a +", 2), ("a + b", 3), ("a + b)", 4), ("a + b))))", 4)],
)
def test_tokens_are_counted_as_far_as_they_are_shown(text: str, count: int) -> None:
    tokens = (
        token("return", free=False),
        token("a"),
        token(""),  # a slot that was not needed
        token(" +"),
        token(" b"),
        token(")"),
        token("x", settled=False),
        token("\n", free=False),
    )
    draft = Draft(1, (Fill(("a + b)",), 1.0, tokens),), Stop.STABLE, Stats())
    assert fillers.tokens_of(draft, text) == count
