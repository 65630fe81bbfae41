"""The server's end of a project process. Nothing here waits for it but who asks to."""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from infill_lsp.project import messages
from infill_lsp.project.assembly import DEFAULT_SOURCES, Answer
from infill_lsp.project.sources import Question

logger = logging.getLogger(__name__)

LONGEST_LINE = 1 << 24
"""Bytes of one answer; it holds every candidate, so that it can be explained."""


class ProjectClient:
    """One folder's process. Used from one event loop."""

    def __init__(self, process: Process) -> None:
        self.indexed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Ends with the number of files when all have been read once."""
        self.pid = process.pid
        self._process = process
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, folder: Path, *, watch: bool) -> ProjectClient:
        """Begin to read a folder. watch: the editor does not say what changes there."""
        # -P: a server started inside a workspace must not run the workspace's own modules.
        command = [sys.executable, "-P", "-m", "infill_lsp.project.worker", str(folder)]
        process = await asyncio.create_subprocess_exec(
            *command, *(["--watch"] if watch else []), stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE
        )
        return cls(process)

    async def answer(self, question: Question, sources: Sequence[str] = DEFAULT_SOURCES) -> Answer:
        """What the project has to say out of these sources, as soon as its process gets to it; nothing when it ended."""
        number = next(self._numbers)
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            self._send(messages.ask(number, question, sources))
            return await waiting
        finally:
            self._waiting.pop(number, None)

    def changed(self, paths: Sequence[str]) -> None:
        """Files were made, changed or deleted."""
        self._send({"changed": list(paths)})

    def remember(self, path: str, line: int, text: str) -> None:
        """A region was edited or looked at."""
        self._send({"remember": [path, line, text]})

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.returncode is None:
            self._process.kill()

    async def wait_closed(self) -> None:
        """Until the process is gone, after `close`."""
        await self._process.wait()

    def _send(self, message: messages.Message) -> None:
        if self._process.stdin is not None and self._process.returncode is None:
            self._process.stdin.write(messages.to_line(message))
        else:
            self._end()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                message = messages.from_line(line)
                if "answer" in message:
                    waiting = self._waiting.get(message["answer"])
                    if waiting is not None and not waiting.done():
                        waiting.set_result(messages.answer_of(message))
                elif not self.indexed.done():
                    self.indexed.set_result(message["indexed"])
            if self._process.stdin is not None and not self._process.stdin.is_closing():
                logger.warning("the project process ended; other files are no longer looked at")
        finally:
            self._end()

    def _end(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(Answer())
