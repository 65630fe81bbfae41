"""A server process whose standard streams a test reads and writes itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from sessions import SECONDS, SERVER, frame


class Pipe:
    """A server process and raw messages on its standard streams."""

    def __init__(self, *options: str, command: Sequence[str] = (*SERVER, "--stdio")) -> None:
        self.process = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def send(self, *messages: dict[str, Any]) -> None:
        self.write(b"".join(frame({"jsonrpc": "2.0", **message}) for message in messages))

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def receive(self, wanted: Any) -> dict[str, Any]:
        """The next answer with this id; notifications are passed over."""
        return self.find(
            lambda sent: sent.get("id", "none") == wanted and "method" not in sent,
        )

    def find(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that is wanted; others are passed over."""
        assert self.process.stdout is not None
        while True:
            length = int(self.process.stdout.readline().split(b":")[1])
            self.process.stdout.readline()
            message: dict[str, Any] = json.loads(self.process.stdout.read(length))
            if is_wanted(message):
                return message

    def initialize(self, settings: Any = None, **capabilities: Any) -> dict[str, Any]:
        params = {"processId": None, "rootUri": None, "capabilities": capabilities}
        params["initializationOptions"] = settings
        self.send({"id": 0, "method": "initialize", "params": params})
        answer = self.receive(0)
        self.send({"method": "initialized", "params": {}})
        return answer

    def end(self) -> tuple[int, str]:
        """Close standard input; (exit code, what was said on standard error)."""
        _, said = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, said.decode()
