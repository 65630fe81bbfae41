"""What an editor needs around a fill: gates (switched off, still loading, ...), reuse of what the user
types through, one running request per document, and the next fill ahead of its request.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from engine import EngineError, InfillEngine
from infill_lsp.asking import Watcher, unwatched
from infill_lsp.completion import Neighbours, fill, no_neighbours
from infill_lsp.documents import Document, Snapshot
from infill_lsp.outcome import Filled
from infill_lsp.prefetch import Prefetch
from infill_lsp.project.private import matches
from infill_lsp.settings import Settings
from infill_lsp.status import Status
from infill_lsp.suggestions import Popup, Recent, Suggestion

Contradiction = Callable[[Snapshot, int, str], Awaitable[str | None]]
"""The name in a fill at an offset that other files contradict; None: there is none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an editor gets."""

    suggestions: tuple[Suggestion, ...]
    snapshot: Snapshot
    """The text that the suggestions' offsets belong to."""
    status: Status
    """Why there are none, or that all is well."""
    filled: Filled | None = None
    """What was made for this request. None: it was answered, or refused, without that."""


class Completer:
    """The suggestions of one connection. Used from its event loop's thread only."""

    def __init__(self, on_busy: Callable[[], None] = lambda: None) -> None:
        """on_busy: called when an answer has to wait for the engine."""
        self.settings = Settings()
        self.engine: InfillEngine | None = None
        self.loaded = asyncio.Event()
        """To be set when a model is ready or could not be loaded, and cleared when another begins to load."""
        self.well = Status()
        """What to show when there is nothing to explain."""
        self.neighbours: Neighbours = no_neighbours
        self.ignored: Callable[[str], str | None] = lambda uri: None
        """Why a document is left alone by its project's own rules; None when it is not."""
        self.settle: Callable[[str], Awaitable[None]] = _settled
        """Waits a while for what `ignored` says of a document to be known."""
        self.contradiction: Contradiction = _uncontradicted
        """Asked of an automatic suggestion: which name in it is none."""
        self.watcher: Watcher = unwatched
        self.snoozed_until = 0.0
        """By `time.monotonic()`: automatic requests are not answered before."""
        self._on_busy = on_busy
        self._recent: dict[str, Recent] = {}
        self._running: dict[str, asyncio.Task[object]] = {}
        self._prefetch = Prefetch()

    async def suggest(
        self,
        document: Document,
        line: int,
        character: int,
        *,
        automatic: bool = True,
        popup: Popup | None = None,
        patience: float = 0.0,
    ) -> Answer:
        """Suggestions at a position; cancels the older request of the same document.

        patience: seconds that a model which is still loading is waited for.
        """
        self.cancel(document.uri)
        snapshot = document.snapshot()
        offset = snapshot.offset_at(line, character)
        if not self.settings.ignored_files:
            with self._newest(document.uri):
                await self.settle(document.uri)
        if (closed := self._closed(snapshot, automatic)) is not None:
            return Answer((), snapshot, closed)
        if popup is not None and not _fits(popup, snapshot.text, offset):
            reason = "the popup's range is not around the cursor, on one line"
            return Answer((), snapshot, replace(self.well, message=reason))

        variants = 1 if automatic else self.settings.variants
        recent = self._recent.setdefault(document.uri, Recent())
        again = recent.typed_through(
            snapshot.text,
            popup.end if popup else offset,
            asked=variants,
            popup=(popup.start, popup.text) if popup else None,
        )
        if again:
            return Answer(again, snapshot, self.well)

        if patience and not self.loaded.is_set():
            await self._wait_for_model(document.uri, patience)
            if (closed := self._closed(snapshot, automatic)) is not None:
                return Answer((), snapshot, closed)
        engine = self._ready_engine()
        if isinstance(engine, Status):
            return Answer((), snapshot, engine)

        filled = await self._request(document.uri, engine, snapshot, offset, automatic, popup)
        if isinstance(filled, Status):
            return Answer((), snapshot, filled)
        if not filled.suggestions:
            return Answer((), snapshot, replace(self.well, message=filled.silence or ""), filled)
        if automatic and (name := await self._contradicted(snapshot, filled)) is not None:
            reason = f"the workspace knows no {name}"
            return Answer((), snapshot, replace(self.well, message=reason), filled)
        recent.add(snapshot.text, filled.suggestions, asked=variants)
        now = document.snapshot()
        if now is snapshot:
            return Answer(filled.suggestions, snapshot, self.well, filled)
        # The user typed on while the model worked. What fits is still worth showing.
        after = len(snapshot.text) - filled.suggestions[0].end
        left = recent.typed_through(now.text, len(now.text) - after, asked=variants)
        moved = replace(self.well, message="the text changed meanwhile")
        return Answer(left, now, self.well if left else moved, filled)

    async def _contradicted(self, snapshot: Snapshot, filled: Filled) -> str | None:
        """The name in a suggestion that the workspace's modules do not have."""
        first = filled.suggestions[0]
        with self._newest(snapshot.uri):
            return await self.contradiction(snapshot, first.start, first.text)

    def prefetch(self, document: Document, suggestion: str) -> None:
        """All of a suggestion was accepted: if it stands in this document and nothing else is asked,
        make the next one behind it. Whoever asks for something else ends that, and waits for none."""
        snapshot, engine = document.snapshot(), self.engine
        recent = self._recent.get(document.uri)
        behind = recent.behind(suggestion, snapshot.text) if recent else None
        if (
            recent is None
            or behind is None
            or engine is None
            or engine_status(engine) is not None
            or self.running
            or self._closed(snapshot, automatic=True) is not None
            or recent.typed_through(snapshot.text, behind)
        ):
            return

        async def work() -> Filled | None:
            try:
                filled = await self._fill(engine, snapshot, behind, gives_way=True)
            except EngineError:
                return None  # who asks for it will hear of it
            recent.add(snapshot.text, filled.suggestions)
            return filled

        self._prefetch.begin(snapshot, behind, work())

    def refusal(self, snapshot: Snapshot) -> Status | None:
        """Why nothing can be filled in this document now, although it was asked for."""
        if (closed := self._closed(snapshot, automatic=False)) is not None:
            return closed
        engine = self._ready_engine()
        return engine if isinstance(engine, Status) else None

    @property
    def running(self) -> bool:
        """Whether a request waits for the engine."""
        return bool(self._running)

    def cancel(self, uri: str) -> None:
        """Cancel the running request of a document, if there is one."""
        if (task := self._running.pop(uri, None)) is not None:
            task.cancel()

    def close_document(self, uri: str) -> None:
        """The document is gone: cancel its request and forget its suggestions."""
        self.cancel(uri)
        self._prefetch.cancel()
        self._recent.pop(uri, None)

    def reset(self) -> None:
        """Cancel all requests and forget all suggestions, e.g. for another model."""
        for uri in list(self._running):
            self.cancel(uri)
        self._prefetch.cancel()
        self._recent.clear()

    def snooze(self, minutes: float) -> None:
        """Answer no automatic request for so long; 0 ends it."""
        self.snoozed_until = time.monotonic() + 60 * minutes if minutes > 0 else 0.0

    def _ready_engine(self) -> InfillEngine | Status:
        """The engine, or why it cannot be asked now."""
        if self.engine is None:
            return Status("Inactive", "the engine is not started yet")
        return engine_status(self.engine) or self.engine

    async def _wait_for_model(self, uri: str, seconds: float) -> None:
        with self._newest(uri), suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.loaded.wait()

    @contextmanager
    def _newest(self, uri: str) -> Iterator[None]:
        """The document's only request, until it is done or `cancel` ends it."""
        task = asyncio.current_task()
        assert task is not None, "runs in an event loop"
        self._running[uri] = task
        try:
            yield
        finally:
            if self._running.get(uri) is task:
                del self._running[uri]

    async def _request(
        self,
        uri: str,
        engine: InfillEngine,
        snapshot: Snapshot,
        offset: int,
        automatic: bool,
        popup: Popup | None,
    ) -> Filled | Status:
        """`fill`, or what it made ahead; an engine's error becomes a status."""
        with self._newest(uri):
            self._on_busy()
            try:
                if not automatic or popup is not None:
                    self._prefetch.cancel()
                elif (made := await self._prefetch.claim(snapshot, offset)) is not None:
                    return made
                return await self._fill(engine, snapshot, offset, automatic=automatic, popup=popup)
            except EngineError as error:
                return Status("Error", str(error))

    async def _fill(
        self,
        engine: InfillEngine,
        snapshot: Snapshot,
        offset: int,
        *,
        automatic: bool = True,
        popup: Popup | None = None,
        gives_way: bool = False,
    ) -> Filled:
        """`fill` as the settings have it. gives_way: ahead of a request, and shown to nobody yet."""
        settings = self.settings
        deadline_ms = settings.deadline_ms if automatic else settings.invoked_deadline_ms
        return await fill(
            engine,
            snapshot,
            offset,
            settings=settings,
            automatic=automatic,
            variants=1 if automatic else settings.variants,
            deadline=deadline_ms / 1000,
            popup=popup,
            document=f"{id(self)}/{snapshot.uri}",
            neighbours=self.neighbours,
            former=recent.texts() if (recent := self._recent.get(snapshot.uri)) else (),
            on_draft=None if gives_way else self.watcher(snapshot, offset),
            gives_way=gives_way,
        )

    def _closed(self, snapshot: Snapshot, automatic: bool) -> Status | None:
        """Why nothing may be suggested in this document now, whatever is at the cursor."""
        settings = self.settings
        if not settings.enabled:
            return Status("Inactive", "switched off (infill.enabled)")
        for language in (snapshot.language_id, snapshot.language):
            if language and language in settings.disabled_languages:
                return Status("Inactive", f"switched off for {language} (infill.disabledLanguages)")
        for pattern in settings.disabled_files:
            if matches(snapshot.path, (pattern,)):
                return Status(
                    "Inactive", f"switched off for files like {pattern} (infill.disabledFiles)"
                )
        if not settings.ignored_files and (why := self.ignored(snapshot.uri)) is not None:
            return Status("Inactive", f"{why} (infill.ignoredFiles)")
        if not automatic:
            return None
        if not settings.automatic:
            return Status("Inactive", "only when asked for (infill.automatic)")
        if (left := self.snoozed_until - time.monotonic()) > 0:
            return Status("Inactive", f"snoozed for {math.ceil(left / 60)} more minutes")
        return None


async def _uncontradicted(_snapshot: Snapshot, _offset: int, _fill: str) -> str | None:
    """For who knows no other files."""
    return None


async def _settled(_uri: str) -> None:
    """Nothing has to be waited for."""


def engine_status(engine: InfillEngine) -> Status | None:
    """Why the engine cannot be asked yet, or at all; None when it is ready."""
    if not engine.ready.done():
        return Status("Normal", "the model is loading", busy=True)
    if engine.ready.cancelled():
        return Status("Inactive", "the engine was stopped")
    if (error := engine.ready.exception()) is not None:
        return Status("Error", str(error))
    return None


def _fits(popup: Popup, text: str, cursor: int) -> bool:
    covered = text[popup.start : popup.end]
    return popup.start <= cursor <= popup.end and not {"\n", "\r"} & set(covered)
