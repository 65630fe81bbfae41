"""Typed-through reuse, against the plain rule it stands for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.suggestions import ENTRIES, Recent, Suggestion

TEXTS = st.text(alphabet="ab(\n", max_size=8)


def suggestion(start: int, text: str, end: int | None = None) -> Suggestion:
    return Suggestion("1", start, start if end is None else end, text)


@given(before=TEXTS, after=TEXTS, offered=TEXTS, typed=TEXTS, elsewhere=st.booleans())
def test_served_when_what_was_typed_is_its_beginning(
    before: str, after: str, offered: str, typed: str, elsewhere: bool
) -> None:
    recent = Recent()
    recent.add(before + after, [suggestion(len(before), offered)])
    tail = after + "z" if elsewhere else after
    left = recent.typed_through(before + typed + tail, len(before + typed))
    expected = offered.startswith(typed) and offered != typed and not elsewhere
    assert bool(left) == expected
    for again in left:
        line = typed.rfind("\n") + 1
        assert again.text == offered[line:]
        assert (again.start, again.end) == (len(before) + line, len(before + typed))
        shown = (before + typed + tail)[: again.start] + again.text
        assert shown == before + offered, "accepting it gives the same text as at first"


def test_a_change_before_it_is_noticed() -> None:
    recent = Recent()
    recent.add("x = ", [suggestion(4, "1")])
    assert recent.typed_through("x = ", 4)
    assert not recent.typed_through("y = ", 4)
    assert not recent.typed_through(" x = ", 5)


def test_backspace_before_its_start_finds_the_older_answer() -> None:
    recent = Recent()
    recent.add("x ", [suggestion(2, "= 1")])
    recent.add("x +", [suggestion(3, "= 2")])
    assert [s.text for s in recent.typed_through("x +", 3)] == ["= 2"]
    assert [s.text for s in recent.typed_through("x ", 2)] == ["= 1"]


def test_more_variants_are_not_served_from_fewer() -> None:
    recent = Recent()
    recent.add("", [suggestion(0, "a")], asked=1)
    assert not recent.typed_through("", 0, asked=3)
    recent.add("", [suggestion(0, "a"), suggestion(0, "bb")], asked=3)
    assert len(recent.typed_through("", 0, asked=3)) == 2
    assert len(recent.typed_through("b", 1, asked=1)) == 1


def test_a_popup_s_entry_must_be_extended_in_its_place() -> None:
    recent = Recent()
    recent.add("f su", [suggestion(2, "sum(a)", end=4)])
    assert recent.typed_through("f su", 4, popup=(2, "sum"))
    assert not recent.typed_through("f su", 4, popup=(2, "sub"))
    assert not recent.typed_through("f su", 4, popup=(3, "sum"))


def test_carriage_returns_end_lines_too() -> None:
    recent = Recent()
    recent.add("", [suggestion(0, "a\r\nb")])
    (left,) = recent.typed_through("a\r\n", 3)
    assert (left.start, left.end, left.text) == (3, 3, "b")


def test_memory_is_bounded() -> None:
    recent = Recent()
    for count in range(ENTRIES + 1):
        recent.add("x" * count, [suggestion(count, "!")])
    assert not recent.typed_through("", 0)
    assert recent.typed_through("x", 1)
    recent.forget()
    assert not recent.typed_through("x", 1)
