"""The fill that will be asked for next, made before it is. Knows when it is still the right one, and
who is waiting for it; what a fill is, and whether one is wanted, is the completer's to know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from infill_lsp.documents import Snapshot
from infill_lsp.outcome import Filled


@dataclass(frozen=True, slots=True)
class _Ahead:
    snapshot: Snapshot
    offset: int
    task: asyncio.Task[Filled | None]


class Prefetch:
    """At most one fill ahead of the user. Used from one event loop's thread."""

    def __init__(self) -> None:
        self._ahead: _Ahead | None = None

    def begin(
        self, snapshot: Snapshot, offset: int, work: Coroutine[Any, Any, Filled | None]
    ) -> None:
        """Make the fill at an offset in the background, in place of the one before."""
        self.cancel()
        self._ahead = _Ahead(snapshot, offset, asyncio.ensure_future(work))

    async def claim(self, snapshot: Snapshot, offset: int) -> Filled | None:
        """The fill for this very place, as soon as it is made. None, and an end to what is under way,
        where that is for another place; None also where the engine had to give it up."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return None
        if ahead.snapshot is not snapshot or ahead.offset != offset:
            ahead.task.cancel()
            return None
        try:
            await asyncio.wait({ahead.task})
        except asyncio.CancelledError:
            ahead.task.cancel()
            raise
        return None if ahead.task.cancelled() else ahead.task.result()

    def cancel(self) -> None:
        """Nobody will ask for it any more, or something else is asked."""
        if self._ahead is not None:
            self._ahead.task.cancel()
            self._ahead = None
