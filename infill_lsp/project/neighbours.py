"""What one connection shows the model of other files: chosen when the place changes, then kept.

Pieces stand before the file's own text in the prompt, so another choice means that everything after
it is encoded again. So a document keeps its pieces while the gap stays in one function and the
imports stay what they are, and a new choice is made beside the requests: no key waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine import Snippet
from infill_lsp.context import Context, gather
from infill_lsp.documents import Document, Snapshot
from infill_lsp.notices import at_start
from infill_lsp.project.assembly import DEFAULT_SOURCES, Answer
from infill_lsp.project.helper import Helper, Mode
from infill_lsp.project.knowledge import Claim
from infill_lsp.project.ring import REGION_LINES
from infill_lsp.project.scan import LARGEST_FILE
from infill_lsp.project.sources import question
from infill_lsp.uris import path_of

logger = logging.getLogger(__name__)

STRETCH = 2000
"""Characters of a file that count as one place where no function encloses the gap."""

RULES_PATIENCE = 3.0
"""Seconds that a document's first request waits for its project's ignore rules to be read."""
CLAIMED = 4000
"""Characters before a gap in which it is looked what an object is."""

NOTHING = Answer()

Place = tuple[object, ...]


@dataclass(slots=True)
class _Chosen:
    """A document's pieces."""

    place: Place | None = None
    answer: Answer = NOTHING


@dataclass(slots=True)
class _Verdict:
    """What a project's ignore rules say of a document."""

    reason: str | None = "its project's ignore rules are not read yet"
    asking: asyncio.Task[None] | None = None
    known: asyncio.Event = field(default_factory=asyncio.Event)


class Neighbours:
    """The projects of one connection. Used from its event loop's thread only; reads no disk and matches
    no pattern there."""

    def __init__(self, on_trouble: Callable[[str], None] = lambda _: None) -> None:
        """on_trouble: told why other files are not looked at; an empty text: they are again."""
        self.sources: Sequence[str] = DEFAULT_SOURCES
        """Where pieces are taken from."""
        self._on_trouble = on_trouble
        self._folders: tuple[Path, ...] = ()
        self._helpers: dict[Path, Helper] = {}
        self._verdicts: dict[str, _Verdict] = {}
        self._excluded: tuple[str, ...] = ()
        self._chosen: dict[str, _Chosen] = {}
        self._documents: dict[str, Document] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._touched: tuple[Document, int] | None = None

    def set_folders(self, uris: Iterable[str]) -> None:
        """The folders that documents may belong to."""
        folders = (path_of(uri) for uri in uris)
        self._folders = tuple(dict.fromkeys(folder for folder in folders if folder is not None))

    def exclude(self, patterns: tuple[str, ...]) -> None:
        """Files that match one of these (the setting `disabledFiles`) say nothing to others."""
        self._excluded = patterns
        for helper in self._helpers.values():
            helper.exclude(patterns)

    async def start(self, *, watch: bool, index: bool = True) -> None:
        """Begin to read the folders. watch: the editor does not say what changes there. index: false
        for their ignore rules only."""
        mode = Mode(watch, index)
        for folder in list(self._helpers):
            if folder not in self._folders or self._helpers[folder].mode != mode:
                self._helpers.pop(folder).close()
        for folder in self._folders:
            if folder not in self._helpers and await asyncio.to_thread(folder.is_dir):
                helper = Helper(folder, mode, on_trouble=self._on_trouble, on_rules=self._judge_all)
                helper.exclude(self._excluded)
                self._helpers[folder] = helper
        self._judge_all()

    def stop(self) -> None:
        """End what `start` began."""
        for task in list(self._tasks):
            task.cancel()
        for helper in self._helpers.values():
            helper.close()
        self._helpers.clear()
        self._chosen.clear()
        self._verdicts.clear()

    def ignored(self, uri: str) -> str | None:
        """Why the project's own ignore rules leave a document alone, as far as they are read; None when
        they do not, or nobody reads them."""
        if self._helper(uri) is None:
            return None
        return self._verdict(uri).reason

    async def settle(self, uri: str) -> None:
        """Wait a while for what `ignored` says to be known. Returns at once when it is."""
        if self._helper(uri) is None:
            return
        verdict = self._verdict(uri)
        if not verdict.known.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(verdict.known.wait(), RULES_PATIENCE)

    def _verdict(self, uri: str) -> _Verdict:
        if uri not in self._verdicts:
            self._verdicts[uri] = _Verdict()
            self._judge(uri)
        return self._verdicts[uri]

    def _judge_all(self) -> None:
        """Rules changed, or who knows them: ask again. Until then the older answer holds."""
        for uri in self._verdicts:
            self._judge(uri)

    def _judge(self, uri: str) -> None:
        verdict = self._verdicts[uri]
        if verdict.asking is not None:
            verdict.asking.cancel()
        verdict.asking = self._run(self._ask_rules(uri, verdict))

    async def _ask_rules(self, uri: str, verdict: _Verdict) -> None:
        if (found := self._helper(uri)) is not None:
            helper, path = found
            verdict.reason = await helper.ignored(path)
            verdict.known.set()

    def snippets(self, snapshot: Snapshot, context: Context) -> tuple[Snippet, ...]:
        """The pieces for a gap, as they were last chosen for its document."""
        found = self._helper(snapshot.uri)
        if found is None or not found[0].mode.index:
            return ()
        chosen = self._chosen.setdefault(snapshot.uri, _Chosen())
        place = _place(context)
        if place != chosen.place:
            chosen.place = place
            self._run(self._choose(found[0], chosen, context, found[1]))
            if not snapshot.around.siblings:
                self._run(self._lay_out(snapshot.uri))
        return chosen.answer.snippets

    async def contradiction(self, snapshot: Snapshot, offset: int, fill: str) -> str | None:
        """The name in a fill that the workspace's modules contradict; None where they do not, or nobody
        knows them."""
        found = self._helper(snapshot.uri)
        if found is None or not found[0].mode.index or ("import" not in fill and "." not in fill):
            return None
        context = gather(snapshot, offset)
        before = context.prefix[-CLAIMED:]
        claim = Claim(found[1], context.language, context.imports, before, fill)
        return await found[0].contradiction(claim)

    def explain(self, uri: str) -> Answer:
        """What stands in the prompts of a document now, and what was left out."""
        chosen = self._chosen.get(uri)
        return Answer() if chosen is None else chosen.answer

    def opened(self, document: Document) -> None:
        """Choose before the first key is typed."""
        if (found := self._helper(document.uri)) is not None:
            self._verdict(document.uri)
            self._documents[document.uri] = document
            self._run(self._lay_out(document.uri))
            if found[0].mode.index:
                snapshot = document.snapshot()
                self.snippets(snapshot, gather(snapshot, 0))

    def closed(self, uri: str) -> None:
        """The document is gone."""
        self._chosen.pop(uri, None)
        self._documents.pop(uri, None)
        verdict = self._verdicts.pop(uri, None)
        if verdict is not None and verdict.asking is not None:
            verdict.asking.cancel()
        if self._touched is not None and self._touched[0].uri == uri:
            self._remember()

    def touched(self, document: Document, line: int) -> None:
        """Somebody edits or asks at a line; the region that they leave is remembered."""
        last = self._touched
        if last is not None and (
            last[0] is not document or abs(last[1] - line) >= REGION_LINES
        ):  # fmt: skip
            self._remember()
        self._touched = (document, line)

    def files_changed(self, uris: Sequence[str]) -> None:
        """Files were made, changed or deleted on disk."""
        told: dict[Path, list[str]] = {}
        for uri in uris:
            if (found := self._relative(uri)) is not None:
                told.setdefault(found[0], []).append(found[1])
        for folder, paths in told.items():
            if folder in self._helpers:
                self._helpers[folder].changed(paths)

    def _remember(self) -> None:
        assert self._touched is not None
        document, line = self._touched
        self._touched = None
        if (found := self._helper(document.uri)) is not None:
            text = document.text.replace("\r\n", "\n")
            if len(text) <= LARGEST_FILE:
                found[0].remember(found[1], line, text)

    async def _choose(self, helper: Helper, chosen: _Chosen, context: Context, path: str) -> None:
        place = chosen.place
        answer = await helper.answer(question(context, path), self.sources)
        if chosen.place == place:  # else a newer question is on its way
            chosen.answer = answer

    async def _lay_out(self, uri: str) -> None:
        """Learn how a document is to be indented where its text does not say."""
        if (found := self._helper(uri)) is not None:
            layout = await found[0].layout(found[1])
            if (document := self._documents.get(uri)) is not None:
                document.around = replace(document.around, **layout)

    def _helper(self, uri: str) -> tuple[Helper, str] | None:
        """Who reads the folder that a document is in, and its path there."""
        found = self._relative(uri)
        helper = self._helpers.get(found[0]) if found is not None else None
        return None if found is None or helper is None else (helper, found[1])

    def _relative(self, uri: str) -> tuple[Path, str] | None:
        """The folder that a document is in, the innermost one, and its path there."""
        path = path_of(uri)
        inside = [each for each in self._folders if path is not None and _below(each, path)]
        if path is None or not inside:
            return None
        folder = max(inside, key=lambda each: len(each.parts))
        return folder, path.relative_to(folder).as_posix()

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _below(folder: Path, path: Path) -> bool:
    return folder != path and path.is_relative_to(folder)


def _place(context: Context) -> Place:
    scopes = tuple(scope.name for scope in context.scopes)
    stretch = 0 if scopes else len(context.prefix) // STRETCH
    return (context.imports, scopes, stretch, at_start(context.prefix))
