"""What one connection shows the model of other files: chosen when the place changes, then kept.

Pieces stand before the file's own text in the prompt, so another choice means that everything after
it is encoded again. So a document keeps its pieces while the gap stays in one function and the
imports stay what they are, and a new choice is made beside the requests: no key waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from engine import Snippet
from infill_lsp.context import Context, gather
from infill_lsp.documents import Document, Snapshot
from infill_lsp.project.assembly import DEFAULT_SOURCES, Answer
from infill_lsp.project.client import ProjectClient
from infill_lsp.project.ignore import IGNORE_FILES, IgnoreRules
from infill_lsp.project.ring import REGION_LINES, region_around
from infill_lsp.project.scan import refusal
from infill_lsp.project.sources import question

logger = logging.getLogger(__name__)

STRETCH = 2000
"""Characters of a file that count as one place where no function encloses the gap."""

NOTHING = Answer()

Place = tuple[object, ...]


@dataclass(slots=True)
class _Chosen:
    """A document's pieces."""

    place: Place | None = None
    answer: Answer = NOTHING


class Neighbours:
    """The projects of one connection. Used from its event loop's thread only."""

    def __init__(self) -> None:
        self.sources: Sequence[str] = DEFAULT_SOURCES
        """Where pieces are taken from."""
        self._clients: dict[Path, ProjectClient] = {}
        self._rules: dict[Path, IgnoreRules] = {}
        self._chosen: dict[str, _Chosen] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._touched: tuple[Document, int] | None = None

    def set_folders(self, uris: Iterable[str]) -> None:
        """The folders whose ignore files count."""
        folders = [folder for uri in uris if (folder := folder_of(uri)) is not None]
        self._rules = {folder: IgnoreRules(folder) for folder in folders}

    async def start(self, *, watch: bool) -> None:
        """Begin to read the folders. watch: the editor does not say what changes there."""
        for folder in self._clients.keys() - self._rules.keys():
            self._clients.pop(folder).close()
        for folder in self._rules:
            if (why := refusal(folder)) is not None:
                logger.info("no other files are looked at: %s", why)
            elif folder not in self._clients:
                self._clients[folder] = await ProjectClient.start(folder, watch=watch)

    def stop(self) -> None:
        """End what `start` began."""
        for task in list(self._tasks):
            task.cancel()
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._chosen.clear()

    def ignored(self, uri: str) -> str | None:
        """Why the project's own ignore rules leave a document alone; None when they do not."""
        found = self._relative(uri)
        return None if found is None else self._rules[found[0]].reason(found[1])

    def snippets(self, snapshot: Snapshot, context: Context) -> tuple[Snippet, ...]:
        """The pieces for a gap, as they were last chosen for its document."""
        found = self._relative(snapshot.uri)
        client = self._clients.get(found[0]) if found is not None else None
        if found is None or client is None:
            return ()
        chosen = self._chosen.setdefault(snapshot.uri, _Chosen())
        place = _place(context)
        if place != chosen.place:
            chosen.place = place
            self._run(self._choose(client, chosen, context, found[1]))
        return chosen.answer.snippets

    def explain(self, uri: str) -> Answer:
        """What stands in the prompts of a document now, and what was left out."""
        chosen = self._chosen.get(uri)
        return Answer() if chosen is None else chosen.answer

    def opened(self, document: Document) -> None:
        """Choose before the first key is typed."""
        snapshot = document.snapshot()
        if self._clients and self._relative(document.uri) is not None:
            self.snippets(snapshot, gather(snapshot, 0))

    def closed(self, uri: str) -> None:
        """The document is gone."""
        self._chosen.pop(uri, None)
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
        by_folder: dict[Path, list[str]] = {}
        for uri in uris:
            if (found := self._relative(uri)) is not None:
                by_folder.setdefault(found[0], []).append(found[1])
        for folder, paths in by_folder.items():
            if any(path.rpartition("/")[2] in IGNORE_FILES for path in paths):
                self._rules[folder] = IgnoreRules(folder)
            if folder in self._clients:
                self._clients[folder].changed(paths)

    def _remember(self) -> None:
        assert self._touched is not None
        document, line = self._touched
        self._touched = None
        found = self._relative(document.uri)
        if found is not None and found[0] in self._clients:
            first, text = region_around(document.text.replace("\r\n", "\n"), line)
            self._clients[found[0]].remember(found[1], first, text)

    async def _choose(
        self, client: ProjectClient, chosen: _Chosen, context: Context, path: str
    ) -> None:
        place = chosen.place
        answer = await client.answer(question(context, path), self.sources)
        if chosen.place == place:  # else a newer question is on its way
            chosen.answer = answer

    def _relative(self, uri: str) -> tuple[Path, str] | None:
        """The folder that a document is in, the innermost one, and its path there."""
        path = folder_of(uri)
        inside = [folder for folder in self._rules if path is not None and folder in path.parents]
        if path is None or not inside:
            return None
        folder = max(inside, key=lambda each: len(each.parts))
        return folder, path.relative_to(folder).as_posix()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def folder_of(uri: str) -> Path | None:
    """The path of a `file:` URI; None for any other."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    if len(path) > 2 and path[2] == ":":  # `/C:/folder`
        path = path[1:]
    return Path(path)


def _place(context: Context) -> Place:
    scopes = tuple(scope.name for scope in context.scopes)
    stretch = 0 if scopes else len(context.prefix) // STRETCH
    return (context.imports, scopes, stretch)
