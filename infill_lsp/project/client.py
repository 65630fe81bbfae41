"""The server's end of one project process, for as long as that process lives (see `helper`)."""

from __future__ import annotations

import asyncio
import logging
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from infill_lsp.isolation import command
from infill_lsp.project import messages
from infill_lsp.project.assembly import DEFAULT_SOURCES, Answer
from infill_lsp.project.knowledge import Claim
from infill_lsp.project.sources import Question

logger = logging.getLogger(__name__)

LONGEST_LINE = 1 << 24
"""Bytes of one answer; it holds every candidate, so that it can be explained."""
PATIENCE = 30.0
"""Seconds without an answer after which the process is taken for stuck, and killed."""


class HelperGoneError(Exception):
    """The process ended before it answered."""


class ProjectClient:
    """One folder's process. Used from one event loop; nothing here waits for it but who asks to."""

    def __init__(self, process: Process, on_rules: Callable[[], None]) -> None:
        self.indexed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Ends with the number of files when all have been read once."""
        self.pid = process.pid
        self._process = process
        self._on_rules = on_rules
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[messages.Message]] = {}
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        watch: bool,
        index: bool = True,
        on_rules: Callable[[], None] = lambda: None,
    ) -> ProjectClient:
        """Begin to read a folder.

        watch: the editor does not say what changes there. index: false for the ignore rules alone.
        on_rules: called when the ignore rules may have changed.
        """
        arguments = [*command("infill_lsp.project.worker"), str(folder)]
        options = [*(["--watch"] if watch else []), *([] if index else ["--rules-only"])]
        process = await asyncio.create_subprocess_exec(
            *arguments, *options, stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE
        )
        return cls(process, on_rules)

    async def answer(self, question: Question, sources: Sequence[str] = DEFAULT_SOURCES) -> Answer:
        """What the project has to say out of these sources, as soon as its process gets to it; nothing
        when it ended."""
        try:
            return messages.answer_of(await self._ask(messages.ask(question, sources)))
        except HelperGoneError:
            return Answer()

    async def ignored(self, path: str) -> str | None:
        """Why the ignore rules leave a path alone; None when they do not. Raises HelperGoneError."""
        reason = (await self._ask({"judge": path}))["reason"]
        return None if reason is None else str(reason)

    async def contradiction(self, claim: Claim) -> str | None:
        """The name in a fill that the folder's modules contradict. Raises HelperGoneError."""
        name = (await self._ask(messages.claimed(claim)))["name"]
        return None if name is None else str(name)

    async def layout(self, path: str) -> dict[str, str]:
        """How a file is to be indented, going by what is around it: by `editorconfig` and by `siblings`,
        each empty where that says nothing. Raises HelperGoneError."""
        answer = await self._ask({"layout": path})
        return {name: str(answer[name]) for name in ("editorconfig", "siblings")}

    def changed(self, paths: Sequence[str]) -> None:
        """Files were made, changed or deleted."""
        self._send({"changed": list(paths)})

    def remember(self, path: str, line: int, text: str) -> None:
        """A region was edited or looked at."""
        self._send({"remember": [path, line, text]})

    def exclude(self, patterns: Sequence[str]) -> None:
        """Files that match one of these say nothing to others."""
        self._send({"exclude": list(patterns)})

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.returncode is None:
            self._process.kill()

    async def wait_closed(self) -> int:
        """Until the process is gone; its exit code."""
        await asyncio.wait({self._reading})
        return await self._process.wait()

    async def _ask(self, message: messages.Message) -> messages.Message:
        number = next(self._numbers)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            self._send({**message, "id": number})
            async with asyncio.timeout(PATIENCE):
                answer: messages.Message = await waiting
            return answer
        except TimeoutError:
            logger.warning("the project process does not answer; it is killed")
            self.close()
            raise HelperGoneError from None
        finally:
            self._waiting.pop(number, None)

    def _send(self, message: messages.Message) -> None:
        if self._process.stdin is not None and self._process.returncode is None:
            self._process.stdin.write(messages.to_line(message))
        else:
            self._end()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                self._receive(messages.from_line(line))
        except ValueError:  # a line that is too long, or no JSON
            logger.warning("the project process says what cannot be read; it is killed")
            self.close()
        finally:
            self._end()

    def _receive(self, message: messages.Message) -> None:
        if "indexed" in message:
            if not self.indexed.done():
                self.indexed.set_result(message["indexed"])
        elif "rules" in message:
            self._on_rules()
        else:
            waiting = self._waiting.get(message["id"])
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    def _end(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(HelperGoneError())
