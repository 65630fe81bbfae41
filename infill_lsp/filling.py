"""Several holes of one text, filled together where a canvas holds them and one after another else.

    holes → opened text → canvases → requests → drafts → postprocess → edits

A model that refines all positions at once fills neighbouring holes in one canvas, so that each sees
what is to stand in the others; the text between them is anchored. Of the canvases each sees what
came of the ones before it. Knows no protocol, no token and no tensor.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from engine import CanvasFullError, Draft, InfillEngine, InfillRequest
from infill_lsp.asking import (
    Watcher,
    answer_of,
    context_for,
    ends_itself,
    loaded,
    request_for,
    sees_after,
    unwatched,
)
from infill_lsp.beginning import beginning, begun
from infill_lsp.context import Context
from infill_lsp.documents import Document, Snapshot
from infill_lsp.edits import Edit
from infill_lsp.faults import errors
from infill_lsp.holes import Hole
from infill_lsp.postprocess import postprocess
from infill_lsp.repair import mended
from infill_lsp.settings import Settings

CANVAS_CHARACTERS = 500
"""Characters that a canvas is expected to hold, its slots included: code has two to four in a
token. Where it holds less, the engine says so, and the canvas is divided."""
LINE_CHARACTERS, LINES_CHARACTERS = 32, 80
"""What one hole takes of them: a single line, or several."""


@dataclass(frozen=True, slots=True)
class Filling:
    """What came of the holes."""

    edits: tuple[Edit, ...]
    """In order, for the text that the holes were found in."""
    empty: tuple[Hole, ...]
    """Those for which nothing good was found."""
    asked: int
    """How many requests that took: canvases, and parts of fills that were made anew."""
    forwards: int


class _Opened:
    """A text whose holes are being filled. Each hole is a span of it: first what stands there, then
    its fill."""

    def __init__(self, snapshot: Snapshot, holes: Sequence[Hole]) -> None:
        self._snapshot = snapshot
        self.text = snapshot.text
        self.spans: list[tuple[int, int]] = []
        shift = 0
        for hole in holes:
            stands = (
                snapshot.text[hole.start : hole.end] if hole.kind in ("marker", "error") else ""
            )
            new = hole.lead + stands + hole.trail
            start = hole.start + shift
            self.text = self.text[:start] + new + self.text[hole.end + shift :]
            shift += len(new) - (hole.end - hole.start)
            self.spans.append((start + len(hole.lead), start + len(hole.lead) + len(stands)))

    def put(self, index: int, fill: str) -> None:
        """Put `fill` where hole `index` is."""
        start, end = self.spans[index]
        self.text = self.text[:start] + fill + self.text[end:]
        moved = len(fill) - (end - start)
        self.spans[index] = start, start + len(fill)
        for later in range(index + 1, len(self.spans)):
            first, last = self.spans[later]
            self.spans[later] = first + moved, last + moved

    def at(self, index: int) -> str:
        """What stands at hole `index`."""
        return self.text[slice(*self.spans[index])]

    def snapshot(self) -> Snapshot:
        """The text as it is now."""
        like = self._snapshot
        document = Document(
            like.uri,
            self.text,
            version=like.version,
            language_id=like.language_id,
            path=like.path,
            encoding=like.encoding,
        )
        document.around, document.beside = like.around, like.beside
        return document.snapshot()


async def fill_holes(
    engine: InfillEngine,
    snapshot: Snapshot,
    holes: Sequence[Hole],
    *,
    settings: Settings,
    together: bool | None = None,
    seed: int = 0,
    deadline: float | None = None,
    document: str = "",
    on_canvas: Callable[[int], None] = lambda done: None,
    watcher: Watcher = unwatched,
) -> Filling:
    """Fill holes as `find_holes` gives them.

    together: one canvas for several holes; None: if the model refines all positions at once. One that
        writes from left to right does better with one hole after another (`infill-lsp eval holes`).
    deadline: seconds for each canvas; the best draft so far is then used.
    document: key under which a newer request displaces this one.
    on_canvas: called before each canvas with how many holes are done.
    watcher: asked for each canvas who sees its drafts, with the place of its first hole.

    Raises EngineError when the engine cannot do it, asyncio.CancelledError when it was displaced.
    """
    run = _Run(engine, snapshot, holes, settings, seed, deadline, document)
    for index, hole in enumerate(holes):
        if hole.known is not None and run.improves(index, hole.known):
            run.keep(index, hole.known)
    asked = [index for index, hole in enumerate(holes) if hole.known is None]
    if together is None:
        info = loaded(engine)
        together = info is not None and info.sees_after and info.order == "any"
    waiting = run.canvases(asked) if together else [[index] for index in asked]
    while waiting:
        group = waiting.pop(0)
        on_canvas(group[0])
        try:
            await run.fill(group, watcher(snapshot, holes[group[0]].start))
        except CanvasFullError:
            if len(group) == 1:
                raise
            cut = run.widest_between(group)
            waiting[:0] = [group[:cut], group[cut:]]
    return Filling(
        tuple(
            Edit(hole.start, hole.end, hole.lead + run.fills[index] + hole.trail)
            for index, hole in enumerate(holes)
            if index in run.fills
        ),
        tuple(hole for index, hole in enumerate(holes) if index not in run.fills),
        run.asked,
        run.forwards,
    )


class _Run:
    """One call of `fill_holes` under way. Holes are known by their place in the list."""

    def __init__(
        self,
        engine: InfillEngine,
        snapshot: Snapshot,
        holes: Sequence[Hole],
        settings: Settings,
        seed: int,
        deadline: float | None,
        document: str,
    ) -> None:
        self.fills: dict[int, str] = {}
        """What is worth keeping."""
        self.asked = self.forwards = 0
        self._engine, self._opened, self._settings = engine, _Opened(snapshot, holes), settings
        self._kinds = [hole.kind for hole in holes]
        self._seed, self._deadline, self._document = seed, deadline, document

    def keep(self, index: int, fill: str) -> None:
        """This is the fill of hole `index`."""
        self._opened.put(index, fill)
        self.fills[index] = fill

    def improves(self, index: int, fill: str) -> bool:
        """Whether fewer errors are near hole `index` with this fill than with what stands there."""
        stood, before = self._opened.at(index), self._errors(index)
        self._opened.put(index, fill)
        after = self._errors(index)
        self._opened.put(index, stood)
        return after < before

    def _errors(self, index: int) -> int:
        tree = self._opened.snapshot().tree_at(self._opened.spans[index][0])
        return 0 if tree is None else errors(tree, 0, len(self._opened.text))

    def canvases(self, holes: Sequence[int]) -> list[list[int]]:
        """Neighbouring holes in as few canvases as are likely to hold them."""
        groups: list[list[int]] = []
        room = 0
        snapshot = self._opened.snapshot()
        for index in holes:
            single = self._context(snapshot, index).single_line
            needed = LINE_CHARACTERS if single else LINES_CHARACTERS
            if groups:
                last = groups[-1][-1]
                needed += self._opened.spans[index][0] - self._opened.spans[last][1]
            if groups and needed <= room:
                groups[-1].append(index)
                room -= needed
            else:
                groups.append([index])
                room = CANVAS_CHARACTERS - LINES_CHARACTERS
        return groups

    def widest_between(self, group: Sequence[int]) -> int:
        """Where in a group to divide it: before the hole with the most text before it."""
        spans = self._opened.spans
        return max(
            range(1, len(group)),
            key=lambda place: spans[group[place]][0] - spans[group[place - 1]][1],
        )

    async def fill(self, group: Sequence[int], on_draft: Callable[[Draft], None] | None) -> None:
        """Ask for the holes of one canvas. Raises CanvasFullError when it does not hold them."""
        until = math.inf if self._deadline is None else time.perf_counter() + self._deadline
        snapshot = self._opened.snapshot()
        contexts = [self._context(snapshot, index) for index in group]
        request = self._request(group, contexts)
        draft = await self._begun(contexts, request) or await self._ask(request, on_draft)
        stood = {index: self._opened.at(index) for index in group}
        for index, text in zip(group, draft.fills[0].texts, strict=True):
            self._opened.put(index, text)
        for index in group:
            text = self._opened.at(index)
            self._opened.put(index, stood[index])
            context = self._context(self._opened.snapshot(), index)
            single = request_for(context, 1, self._seed, self._deadline, self._document)
            text = await mended(text, single, context, self._ask, until)
            shown = postprocess(text, replace(context, cut_off=not draft.fills[0].ended))
            if shown is None or (self._kinds[index] == "error" and not self.improves(index, shown)):
                continue
            self.keep(index, shown)

    async def _begun(self, contexts: Sequence[Context], request: InfillRequest) -> Draft | None:
        """For a hole by itself whose fill should begin in a certain way (see `beginning`)."""
        start = beginning(contexts[0]) if len(contexts) == 1 else None
        return None if start is None else await begun(start, request, contexts[0], self._ask)

    def _request(self, group: Sequence[int], contexts: Sequence[Context]) -> InfillRequest:
        """The gaps of a group in one request."""
        request = request_for(contexts[0], 1, self._seed, self._deadline, self._document)
        spans = [self._opened.spans[index] for index in group]
        if len(group) == 1:
            return request
        return replace(
            request,
            between=tuple(self._opened.text[end:start] for (_, end), (start, _) in pairwise(spans)),
            suffix=contexts[-1].suffix,
            single_lines=tuple(context.single_line for context in contexts),
            is_complete=None,
        )

    def _context(self, snapshot: Snapshot, index: int) -> Context:
        start, end = self._opened.spans[index]
        context = context_for(snapshot, start, end, self._settings, None, automatic=True)
        return replace(
            context,
            sees_after=sees_after(self._engine),
            ends_itself=ends_itself(self._engine),
        )

    async def _ask(
        self, request: InfillRequest, on_draft: Callable[[Draft], None] | None = None
    ) -> Draft:
        self.asked += 1
        draft = await answer_of(self._engine.submit(request, on_draft))
        self.forwards += draft.stats.forwards
        return draft
