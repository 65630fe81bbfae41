"""Messages out of a stream of bytes: `Content-Length: N`, an empty line, N bytes of JSON.

Does no input or output and knows nothing of what a message says, so that a thread that reads a
pipe and a socket's coroutine can share it.
"""

from __future__ import annotations

import re

MOST_BYTES = 16 * 1024 * 1024
"""Longer messages are passed over."""
_MOST_SKIPPED = 1 << 32
"""Still longer ones are taken for a broken stream."""
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*")
"""A line of a header, as HTTP has them too; the first line of an HTTP request is none."""
_MOST_HEADER = 16 * 1024
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class FrameError(Exception):
    """The bytes are no message, and where the next one begins cannot be known."""


class Frames:
    """Collects bytes and gives out whole messages."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        """Bytes of a message; longer ones are passed over, and counted in `skipped`."""
        self.skipped = 0
        self._bytes = bytearray()
        self._body: int | None = None
        self._to_skip = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Bodies of the messages that are complete now. Raises FrameError."""
        if self._to_skip:
            passed = min(self._to_skip, len(data))
            self._to_skip -= passed
            data = data[passed:]
        self._bytes += data
        bodies = []
        while (body := self._next()) is not None:
            bodies.append(body)
        return bodies

    def _next(self) -> bytes | None:
        while self._body is None:
            end = self._bytes.find(b"\r\n\r\n")
            if end > _MOST_HEADER or (end < 0 and len(self._bytes) > _MOST_HEADER):
                raise FrameError("no header's end in the first 16 KiB")
            if end < 0:
                self._look_at_first_line()
                return None
            header = bytes(self._bytes[:end])
            del self._bytes[: end + 4]
            length = _length(header)
            if length > self.most:
                self._skip(length)
            else:
                self._body = length
        if len(self._bytes) < self._body:
            return None
        body = bytes(self._bytes[: self._body])
        del self._bytes[: self._body]
        self._body = None
        return body

    def _look_at_first_line(self) -> None:
        """A client of another protocol may wait for an answer before it ends its header."""
        first, line_end, _ = self._bytes.partition(b"\r\n")
        if line_end and not _FIELD.fullmatch(first):
            raise FrameError("this is no header of LSP's")

    def _skip(self, length: int) -> None:
        if length > _MOST_SKIPPED:
            raise FrameError(f"a message of {length} bytes")
        self.skipped += 1
        passed = min(length, len(self._bytes))
        del self._bytes[:passed]
        self._to_skip = length - passed


def _length(header: bytes) -> int:
    if not all(_FIELD.fullmatch(line) for line in header.split(b"\r\n")):
        raise FrameError("this is no header of LSP's")
    if (length := _LENGTH.search(header)) is None:
        raise FrameError("a header without Content-Length")
    return int(length.group(1))
