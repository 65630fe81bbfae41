"""What became of the suggestions of one connection: shown, accepted, accepted in part.

An answer counts once, however often it is served again while the user types along it and however
many variants it has. Knows suggestions; keeps none of their text longer than they can be accepted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infill_lsp.suggestions import Suggestion
from infill_lsp.usage import Event

REMEMBERED = 200
"""Suggestions that may still be accepted."""


@dataclass(slots=True)
class _Answer:
    """All variants of one answer."""

    language: str
    partial: bool = False
    accepted: bool = False


@dataclass(slots=True)
class _Offer:
    answer: _Answer
    text: str
    standing: int
    """Characters of the text that stand in the document already."""


class Acceptance:
    """Turns what the editor shows and accepts into events. Used from one thread."""

    def __init__(self, record: Callable[[Event], None]) -> None:
        self._record = record
        self._offers: OrderedDict[str, _Offer] = OrderedDict()

    def shown(self, language: str, suggestions: Sequence[Suggestion], ms: float) -> None:
        """An answer went to the editor, `ms` after it was asked for."""
        new = _Answer(language)
        fresh = bool(suggestions) and all(each.id not in self._offers for each in suggestions)
        for each in suggestions:
            known = self._offers.pop(each.id, None)
            answer = known.answer if known else new
            self._offers[each.id] = _Offer(answer, each.text, each.end - each.start)
        while len(self._offers) > REMEMBERED:
            self._offers.popitem(last=False)
        if fresh:
            self._record(Event(language, shown=1, ms=ms))

    def accepted(self, suggestion: str, characters: int | None = None) -> bool:
        """The editor inserted a suggestion, or so many characters from its text's start.

        True when all of it was taken. Nothing is counted of an id that was never shown.
        """
        offer = self._offers.get(suggestion)
        if offer is None:
            return characters is None
        taken = len(offer.text) if characters is None else min(characters, len(offer.text))
        whole, answer = taken == len(offer.text), offer.answer
        gained, offer.standing = max(0, taken - offer.standing), max(taken, offer.standing)
        if answer.accepted:
            return whole
        partial = 0 if whole else 1
        self._record(
            Event(
                answer.language,
                accepted=int(whole),
                partial=partial - int(answer.partial),
                characters=gained,
            )
        )
        answer.accepted, answer.partial = whole, not whole
        return whole

    def text_of(self, suggestion: str) -> str:
        """The text of a suggestion as it was last shown; empty when it is not known."""
        offer = self._offers.get(suggestion)
        return offer.text if offer else ""
