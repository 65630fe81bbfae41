"""What was suggested lately, and how it is served again while the user types along it.

A suggestion keeps the place where it was first shown: its range begins there, and its text includes
what has been typed of it since. Editors then keep showing it without a flicker. Knows text and
offsets; knows no engine and no protocol.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

ENTRIES = 24
"""Answers kept per document."""
FORMER = 3
"""Of them, how many a new fill is told of."""
TAIL, HEAD = 2000, 500
"""Characters before and after the gap that must be the same for an answer to be used again."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Replace [start, end) of the document by `text`. The range lies on one line."""

    id: str
    start: int
    end: int
    text: str
    confidence: float = 1.0
    """The engine's own, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Popup:
    """The entry selected in the editor's completion popup: it would replace [start, end)."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """Suggestions for one gap, with what must still stand around it."""

    start: int
    tail: str
    head: str
    after: int
    """Characters after the gap, up to the document's end."""
    asked: int
    """How many variants were asked for."""
    suggestions: tuple[Suggestion, ...]


class Recent:
    """The latest answers for one document, the newest first."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[int, str, str], _Answer] = OrderedDict()

    def add(self, text: str, suggestions: Sequence[Suggestion], *, asked: int = 1) -> None:
        """Remember suggestions that were made for `text`; all have the same range."""
        if not suggestions:
            return
        start, end = suggestions[0].start, suggestions[0].end
        answer = _Answer(
            start, _tail(text, start), _head(text, end), len(text) - end, asked, tuple(suggestions)
        )
        key = (start, answer.tail, answer.head)
        self._answers[key] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > ENTRIES:
            self._answers.popitem(last=False)

    def typed_through(
        self, text: str, cursor: int, *, asked: int = 1, popup: tuple[int, str] | None = None
    ) -> tuple[Suggestion, ...]:
        """Suggestions that continue what stands before `cursor`, their ranges ending there.

        Empty when none fits, or when fewer than `asked` variants were asked for at the time.
        `popup`: the start and the text of the completion popup's entry, which the suggestions must
        then replace and extend.
        """
        for answer in reversed(self._answers.values()):
            if answer.asked < asked or not _still_there(answer, text, cursor):
                continue
            if popup is not None and popup[0] != answer.start:
                continue
            typed = text[answer.start : cursor]
            left = tuple(
                _shown_at(suggestion, typed, cursor)
                for suggestion in answer.suggestions
                if suggestion.text.startswith(typed)
                and len(suggestion.text) > len(typed)
                and (popup is None or suggestion.text.startswith(popup[1]))
            )
            if left:
                return left
        return ()

    def texts(self) -> tuple[str, ...]:
        """The latest suggestions, the newest first: what the user typed against may be partly right."""
        latest = list(reversed(self._answers.values()))[:FORMER]
        return tuple(answer.suggestions[0].text for answer in latest)

    def behind(self, suggestion: str, text: str) -> int | None:
        """The offset behind a suggestion that was accepted; None where it is not known, or something
        else than that has changed."""
        for answer in reversed(self._answers.values()):
            for each in answer.suggestions:
                if each.id == suggestion:
                    end = answer.start + len(each.text)
                    stands = text.startswith(each.text, answer.start)
                    return end if stands and _still_there(answer, text, end) else None
        return None

    def forget(self) -> None:
        """Forget everything, e.g. because the model is another one."""
        self._answers.clear()


def _still_there(answer: _Answer, text: str, cursor: int) -> bool:
    return (
        answer.start <= cursor
        and len(text) - cursor == answer.after
        and _tail(text, answer.start) == answer.tail
        and _head(text, cursor) == answer.head
    )


def _shown_at(suggestion: Suggestion, typed: str, cursor: int) -> Suggestion:
    """The suggestion with its range up to the cursor; begins on the cursor's line at the latest,
    since a range may not span lines."""
    line = max(typed.rfind("\n"), typed.rfind("\r")) + 1
    return replace(
        suggestion,
        start=suggestion.start + line,
        end=cursor,
        text=suggestion.text[line:],
    )


def _tail(text: str, offset: int) -> str:
    return text[max(0, offset - TAIL) : offset]


def _head(text: str, offset: int) -> str:
    return text[offset : offset + HEAD]
