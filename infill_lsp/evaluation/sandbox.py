"""Judges programs that a model wrote: each runs in a process with limits and without a network.

Keeps a few `program_server` processes and deals programs out to them. Knows no suite: a program
passes when its last line has run.
"""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from infill_lsp.evaluation.case import EvaluationError

SERVER = Path(__file__).with_name("program_server.py")
PATIENCE = 20.0
"""Seconds beyond a program's limit after which its server counts as lost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use."""

    cpu_seconds: int = 3
    wall_seconds: float = 15.0
    """Longer than the CPU time, so that a busy machine does not change verdicts."""
    memory_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """What running a program came to."""

    verdict: str
    """`passed`, `failed` (an exception), `timeout`, `exited` (too early) or `killed`."""
    detail: str = ""


class Sandbox:
    """Use as a context manager."""

    def __init__(
        self, limits: Limits | None = None, *, lanes: int | None = None, namespaces: bool = True
    ) -> None:
        """lanes: programs that run at once; None: as many as there are cores.
        namespaces: False leaves out what only Linux has, to see that the rest holds too."""
        if not hasattr(os, "fork"):
            raise EvaluationError(
                "programs can be run only on Linux and macOS. Use WSL, or a suite that runs none."
            )
        lanes = lanes or os.cpu_count() or 1
        self._servers: queue.SimpleQueue[_Server] = queue.SimpleQueue()
        self._all = [_Server(limits or Limits(), namespaces) for _ in range(lanes)]
        for server in self._all:
            self._servers.put(server)
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="sandbox")

    @property
    def network(self) -> str:
        """How programs are kept from the network, for the report."""
        isolated = all(server.isolated for server in self._all)
        return "a namespace without network" if isolated else "sockets refused in Python only"

    def judge(self, programs: Iterable[str]) -> Iterator[Verdict]:
        """Run all programs, some at once; verdicts in the programs' order."""
        return self._threads.map(self._judge, programs)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        for server in self._all:
            server.close()

    def _judge(self, program: str) -> Verdict:
        server = self._servers.get()
        try:
            return server.judge(program)
        finally:
            self._servers.put(server)


class _Server:
    """One `program_server`, started again when a program brought it down."""

    def __init__(self, limits: Limits, namespaces: bool) -> None:
        self._limits, self._namespaces = limits, namespaces
        self._start()

    def judge(self, program: str) -> Verdict:
        try:
            self._send(program)
            answer = self._receive(self._limits.wall_seconds + PATIENCE)
        except (OSError, EOFError, TimeoutError):
            self.close()
            self._start()
            return Verdict("killed", "it took the sandbox down")
        return Verdict(answer["verdict"], answer["detail"])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _start(self) -> None:
        limits = self._limits
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-s", "-S", "-P", "-B", str(SERVER)),
                *map(str, (limits.cpu_seconds, limits.wall_seconds, limits.memory_bytes)),
                "yes" if self._namespaces else "no",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={
                "PATH": os.defpath,
                "PYTHONHASHSEED": "0",
                "PYTHONUTF8": "1",
                "TMPDIR": tempfile.gettempdir(),
            },
        )
        try:
            self.isolated = bool(self._receive(PATIENCE)["namespaces"])
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise EvaluationError(
                f"the sandbox does not start ({error or 'it ended'}). Try: {sys.executable} {SERVER}"
            ) from error

    def _send(self, program: str) -> None:
        assert self._process.stdin is not None
        data = (json.dumps({"program": program}) + "\n").encode()
        while data:  # an unbuffered pipe may take less than all
            data = data[self._process.stdin.write(data) or 0 :]

    def _receive(self, seconds: float) -> dict[str, str]:
        assert self._process.stdout is not None
        until = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise TimeoutError("it does not answer")
            part = self._process.stdout.read(4096)
            if not part:
                raise EOFError("it ended")
            line += part
        answer: dict[str, str] = json.loads(line)
        return answer
