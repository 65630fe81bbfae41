"""A folder's project process, kept alive: started again when it dies, and its state said.

A process that reads strangers' files may die of one (a parser's crash, no memory left). Then it gets
another life after a while that doubles; one that dies again and again is given up. What asks meanwhile
gets nothing, and does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infill_lsp.project.assembly import Answer
from infill_lsp.project.client import HelperGoneError, ProjectClient
from infill_lsp.project.knowledge import Claim
from infill_lsp.project.sources import Question

logger = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.25, 30.0
"""Seconds before the next life; doubled for each that was short."""
CLAIM_SECONDS = 0.25
"""That a fill waits to be checked against other modules: the process may be busy with a file."""
LONG_LIFE = 60.0
"""Seconds after which a death is no repetition of the one before."""
MOST_SHORT_LIVES = 6


@dataclass(frozen=True, slots=True)
class Mode:
    """How a folder is read."""

    watch: bool
    """The editor does not say what changes there."""
    index: bool
    """False: for its ignore rules only."""


class Helper:
    """Lives until `close`. Used from one event loop."""

    def __init__(
        self,
        folder: Path,
        mode: Mode,
        *,
        on_trouble: Callable[[str], None] = lambda _: None,
        on_rules: Callable[[], None] = lambda: None,
    ) -> None:
        """on_trouble: told why there is no process, and with an empty text when there is one again.
        on_rules: called when what `ignored` says may have changed."""
        self.mode = mode
        self._folder = folder
        self._on_trouble, self._on_rules = on_trouble, on_rules
        self._client: ProjectClient | None = None
        self._excluded: Sequence[str] = ()
        self._up = asyncio.Event()
        self._given_up = False
        self._living = asyncio.ensure_future(self._live())

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return None if self._client is None else self._client.pid

    async def answer(self, question: Question, sources: Sequence[str]) -> Answer:
        """See `ProjectClient.answer`; waits for no process that is not there."""
        return Answer() if self._client is None else await self._client.answer(question, sources)

    async def ignored(self, path: str) -> str | None:
        """See `ProjectClient.ignored`; waits for the next process. None, too, when it is given up."""
        while not self._given_up:
            await self._up.wait()
            if self._client is not None:
                with contextlib.suppress(HelperGoneError):
                    return await self._client.ignored(path)
                await asyncio.sleep(FIRST_WAIT)
        return None

    async def contradiction(self, claim: Claim) -> str | None:
        """See `ProjectClient.contradiction`; None where there is no process, or it takes too long."""
        with contextlib.suppress(HelperGoneError, TimeoutError):
            if self._client is not None:
                return await asyncio.wait_for(self._client.contradiction(claim), CLAIM_SECONDS)
        return None

    async def layout(self, path: str) -> dict[str, str]:
        """See `ProjectClient.layout`; empty where there is no process."""
        with contextlib.suppress(HelperGoneError):
            if self._client is not None:
                return await self._client.layout(path)
        return {}

    def changed(self, paths: Sequence[str]) -> None:
        """Files were made, changed or deleted; a process that is not there will see for itself."""
        if self._client is not None:
            self._client.changed(paths)

    def remember(self, path: str, line: int, text: str) -> None:
        """A region was edited or looked at."""
        if self._client is not None:
            self._client.remember(path, line, text)

    def exclude(self, patterns: Sequence[str]) -> None:
        """Files that match one of these say nothing to others; holds for later lives, too."""
        self._excluded = patterns
        if self._client is not None:
            self._client.exclude(patterns)

    def close(self) -> None:
        """End the process for good."""
        self._living.cancel()
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _live(self) -> None:
        short = 0
        while True:
            began = time.monotonic()
            why = await self._one_life()
            short = 1 if time.monotonic() - began > LONG_LIFE else short + 1
            if short >= MOST_SHORT_LIVES:
                self._given_up = True
                self._up.set()
                self._say(f"other files are no longer looked at: {why}, {short} times in a row")
                return
            wait = min(FIRST_WAIT * 2 ** (short - 1), LONGEST_WAIT)
            self._say(f"other files are not looked at: {why}; it is started again")
            await asyncio.sleep(wait)

    async def _one_life(self) -> str:
        """Start the process and wait for its end; why it ended."""
        try:
            self._client = await ProjectClient.start(
                self._folder, watch=self.mode.watch, index=self.mode.index, on_rules=self._on_rules
            )
        except OSError as error:
            return f"the helper process cannot be started ({error.strerror})"
        try:
            self._client.exclude(self._excluded)
            self._up.set()
            self._on_trouble("")
            self._on_rules()
            return f"the helper process ended ({_ended(await self._client.wait_closed())})"
        finally:
            self._up.clear()
            if self._client is not None:
                self._client.close()
                self._client = None

    def _say(self, why: str) -> None:
        logger.warning("%s", why)
        self._on_trouble(why)


def _ended(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"code {code}"
