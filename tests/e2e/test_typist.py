"""The judge of the editors' minute of typing: what it takes for stale, and what not."""

from __future__ import annotations

import pytest
import typist
from typist import Screen, answer

LINE = "    if len(values) != len"


def screen(line: str, grey: str, *above: str) -> Screen:
    return Screen([*above, line + grey, "~"], len(above), len(line))


def test_the_minute_is_a_minute_of_the_text() -> None:
    text = ""
    keys = list(typist.keys())
    for key, _, line in keys:
        text = text[:-1] if key == typist.BACKSPACE else text + key
        assert text.endswith(line)
    assert text == typist.TEXT
    assert len(keys) == typist.KEYS
    assert sum(pause for _, pause, _ in keys) == pytest.approx(typist.SECONDS)
    assert sum(key == typist.BACKSPACE for key, _, _ in keys) > 20


@pytest.mark.parametrize("typed", range(4))
def test_an_answer_fits_while_it_is_typed(typed: int) -> None:
    answered = answer(LINE)
    assert answered.startswith("(wei")
    shown = screen(LINE + answered[:typed], answered[typed:])
    assert not typist.stale(shown)
    assert not typist.stale(screen(LINE + answered[:typed], answered[typed:] + "):"))
    assert not typist.stale(screen(LINE + answered[:typed], ""))


def test_an_answer_to_another_text_is_stale() -> None:
    answered = answer(LINE)
    assert typist.stale(screen(LINE + "z", answered)), "a mistake"
    assert typist.stale(screen(LINE + "z", answered[1:])), "drawn over"
    assert typist.stale(screen(LINE[:-1], answered)), "taken back"
    assert typist.stale(screen(LINE, "(wei")), "letters that fit, of an answer that is not known"
    assert typist.stale(screen("        ", "", LINE + answered)), "left behind on another row"


def test_indentation_counts_where_the_editor_does_not_put_it_right() -> None:
    answered = answer("  ")  # of which two letters are spaces, too
    late = screen(" " * 5, answered.lstrip())
    assert typist.stale(late)
    assert not typist.stale(late, indents=True)
    assert typist.stale(screen(" " * 5, "otherwise"), indents=True)
