"""Messages out of a stream of bytes: `Content-Length: N`, an empty line, N bytes of JSON.

Does no input or output and knows nothing of what a message says, so that a thread that reads a
pipe and a socket's coroutine can share it.
"""

from __future__ import annotations

import re

MOST_BYTES = 256 * 1024 * 1024
"""Longer messages are taken for a broken stream."""
_MOST_HEADER = 16 * 1024
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class FrameError(Exception):
    """The bytes are no message, and where the next one begins cannot be known."""


class Frames:
    """Collects bytes and gives out whole messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._body: int | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Bodies of the messages that are complete now. Raises FrameError."""
        self._bytes += data
        bodies = []
        while (body := self._next()) is not None:
            bodies.append(body)
        return bodies

    def _next(self) -> bytes | None:
        if self._body is None:
            end = self._bytes.find(b"\r\n\r\n")
            if end < 0:
                if len(self._bytes) > _MOST_HEADER:
                    raise FrameError("no header's end in the first 16 KiB")
                return None
            header = bytes(self._bytes[:end])
            if (length := _LENGTH.search(header)) is None:
                raise FrameError("a header without Content-Length")
            self._body = int(length.group(1))
            if self._body > MOST_BYTES:
                raise FrameError(f"a message of {self._body} bytes")
            del self._bytes[: end + 4]
        if len(self._bytes) < self._body:
            return None
        body = bytes(self._bytes[: self._body])
        del self._bytes[: self._body]
        self._body = None
        return body
