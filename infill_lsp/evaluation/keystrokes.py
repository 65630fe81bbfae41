"""What suggestions do for somebody who types a whole file: saved characters, flicker, time by stage.

After each key the editor asks, through the product's own `Completer`, and the typist waits for the
answer before the next key. What is shown and right is accepted (`Typist.accepts`), and an acceptance
asks again at once, as any change of the text does: nothing is made ahead while the typist rests. No
other file is read.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from infill_lsp.acceptance import Acceptance
from infill_lsp.completer import Answer, Completer
from infill_lsp.documents import Change, Document
from infill_lsp.evaluation import heldout
from infill_lsp.evaluation.case import EvaluationError
from infill_lsp.evaluation.typist import Key, Typist, typeable
from infill_lsp.grammars import language_for
from infill_lsp.project.ignore import IgnoreRules
from infill_lsp.project.scan import read_source, refusal, source_files
from infill_lsp.suggestions import Suggestion
from infill_lsp.usage import Event

SHORTEST, LONGEST = 400, 6000
"""Characters of a file: fewer say little, and more take a small machine too long."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to type."""

    path: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the completer and what it took."""

    shown: bool
    forwards: int
    """Runs of the model; 0 where what is shown was made before, or nothing is wanted."""
    ms: dict[str, float]
    """Milliseconds by stage: `sync` (the change, and its snapshot), `answer` (the whole request), and
    where something was made `context` and `text` (context's and post-processing's share), where the
    engine was asked `engine`."""


@dataclass(slots=True)
class Trace:
    """All that happened while one file was typed."""

    source: Source
    keys: int = 0
    """Acceptances not counted."""
    backspaces: int = 0
    """Of the keys."""
    flickers: int = 0
    """Keys that agreed with the ghost text and after which it was not what was left of it."""
    requests: list[Request] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    """What the product counts of it, see `acceptance`."""

    def counted(self, name: str) -> int:
        """The sum of one of the events' counts, e.g. `accepted`."""
        return sum(getattr(event, name) for event in self.events)


def sources(data: Path, *, language: str | None, limit: int | None, seed: int) -> list[Source]:
    """Files of a fit size, drawn at random: a corpus's held-out ones, or any folder's own.

    EvaluationError when there are none.
    """
    found = [
        Source(each.path, each.language, text)
        for each in _all_of(data)
        if language in (None, each.language)
        and SHORTEST <= len(text := typeable(each.text)) <= LONGEST
    ]
    if not found:
        of_what = f" in {language}" if language else ""
        raise EvaluationError(
            f"{data} has no file of {SHORTEST} to {LONGEST} characters{of_what}. Give as --data the "
            "folder of a corpus, or one with sources."
        )
    found.sort(key=lambda each: random.Random(f"{seed}/{each.path}/{each.text}").random())
    return found[:limit]


async def type_file(completer: Completer, source: Source, seed: int) -> Trace:
    """Type a file from its first key to its last."""
    return await _Desk(completer, source, seed).type_all()


class _Desk:
    """One file being typed: the document, the ghost text in it, and who types."""

    def __init__(self, completer: Completer, source: Source, seed: int) -> None:
        self._completer = completer
        self._typist = Typist(source.text, seed)
        self._document = Document(
            f"file:///{source.path}", "", language_id=source.language, path=source.path
        )
        self._ghost: Suggestion | None = None
        self._left = ""
        """What of the ghost text is not in the document yet."""
        self._trace = Trace(source)
        self._acceptance = Acceptance(self._trace.events.append)

    async def type_all(self) -> Trace:
        trace = self._trace
        while (key := self._typist.next_key(self._document.text)) is not None:
            trace.keys += 1
            trace.backspaces += not key.inserted
            agrees = not key.removed and self._left.startswith(key.inserted)
            expected = self._left[len(key.inserted) :] if agrees else ""
            await self._press(key)
            trace.flickers += bool(expected) and self._left != expected
            while part := self._typist.accepts(self._document.text, self._left):
                await self._accept(part)
        self._completer.close_document(self._document.uri)
        return trace

    async def _press(self, key: Key) -> None:
        end = len(self._document.text)
        await self._change(end - key.removed, end, key.inserted)

    async def _accept(self, part: str) -> None:
        ghost, whole = self._ghost, part == self._left
        assert ghost is not None, "where there is something left of it"
        taken = len(ghost.text) - len(self._left) + len(part)
        self._acceptance.accepted(ghost.id, None if whole else taken)
        await self._change(ghost.start, ghost.end, ghost.text[:taken])

    async def _change(self, start: int, end: int, text: str) -> None:
        """The editor tells of a change and asks."""
        document, before = self._document, self._document.snapshot()
        where = (before.position_at(start), before.position_at(end))
        began = time.perf_counter()
        document.apply([Change(text, where)], document.version + 1)
        snapshot = document.snapshot()
        asked = time.perf_counter()
        answer = await self._completer.suggest(document, *snapshot.position_at(len(snapshot.text)))
        ms = {"sync": (asked - began) * 1e3, "answer": (time.perf_counter() - asked) * 1e3}
        self._trace.requests.append(_request(answer, ms))
        self._acceptance.shown(self._trace.source.language, answer.suggestions, ms["answer"])
        self._ghost = answer.suggestions[0] if answer.suggestions else None
        self._left = self._ghost.text[self._ghost.end - self._ghost.start :] if self._ghost else ""


def _request(answer: Answer, ms: dict[str, float]) -> Request:
    forwards = 0
    if (filled := answer.filled) is not None:
        ms["context"] = filled.ms["context"]
        if filled.draft is not None:
            forwards = filled.draft.stats.forwards
            ms |= {"engine": filled.draft.stats.ms["total"], "text": filled.ms["postprocess"]}
    return Request(bool(answer.suggestions), forwards, ms)


def _all_of(data: Path) -> Iterable[Source]:
    if (why := refusal(data)) is not None:
        raise EvaluationError(f"{data}: {why}. Give as --data a corpus, or a folder with sources.")
    if any(data.glob("heldout-*")):
        for each in heldout.read(data):
            yield Source(each.path, each.language, each.text)
        return
    for path in source_files(data, IgnoreRules(data)):
        text, language = read_source(data, path), language_for("", path)
        if text is not None and language is not None:
            yield Source(path, language, text)
