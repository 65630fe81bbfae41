"""What is counted of a connection's suggestions."""

from __future__ import annotations

import pytest

from infill_lsp.acceptance import REMEMBERED, Acceptance
from infill_lsp.suggestions import Suggestion
from infill_lsp.usage import Event


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def acceptance(events: list[Event]) -> Acceptance:
    return Acceptance(events.append)


def suggestion(text: str, typed: int = 0, name: str = "1.1") -> Suggestion:
    return Suggestion(name, 10, 10 + typed, text)


def total(events: list[Event], field: str) -> int:
    return sum(getattr(event, field) for event in events)


def test_accepting_saves_what_was_not_typed(acceptance: Acceptance, events: list[Event]) -> None:
    acceptance.shown("python", [suggestion("return x")], 120.0)
    acceptance.shown("python", [suggestion("return x", typed=3)], 1.0)
    assert acceptance.accepted("1.1")
    assert events == [
        Event("python", shown=1, ms=120.0),
        Event("python", accepted=1, characters=5),
    ]


def test_word_by_word_is_one_acceptance(acceptance: Acceptance, events: list[Event]) -> None:
    acceptance.shown("go", [suggestion("return err")], 50.0)
    assert not acceptance.accepted("1.1", 6)
    assert (total(events, "partial"), total(events, "accepted")) == (1, 0)
    acceptance.shown("go", [suggestion("return err", typed=6)], 1.0)
    assert not acceptance.accepted("1.1", 7)
    assert acceptance.accepted("1.1", 10)
    assert (total(events, "partial"), total(events, "accepted")) == (0, 1)
    assert total(events, "characters") == len("return err")
    assert total(events, "shown") == 1


def test_variants_are_one_answer(acceptance: Acceptance, events: list[Event]) -> None:
    acceptance.shown("c", [suggestion("a", name="1"), suggestion("bb", name="2")], 9.0)
    acceptance.accepted("2")
    acceptance.accepted("2")
    acceptance.accepted("1")
    assert [total(events, field) for field in ("shown", "accepted", "characters")] == [1, 1, 2]


def test_what_was_never_shown_is_not_counted(acceptance: Acceptance, events: list[Event]) -> None:
    acceptance.shown("c", [], 9.0)
    acceptance.accepted("9.9")
    acceptance.accepted("9.9", 3)
    assert events == []


def test_old_suggestions_are_forgotten(acceptance: Acceptance, events: list[Event]) -> None:
    for number in range(REMEMBERED + 1):
        acceptance.shown("c", [suggestion("a", name=str(number))], 1.0)
    assert acceptance.text_of("0") == ""
    assert acceptance.text_of("1") == "a"
