"""LSP positions (line, character) to offsets in a Python string, and back.

An offset counts code points, as Python does. A character counts units of the negotiated encoding.
Only `\\n`, `\\r\\n` and `\\r` end a line: `str.splitlines` also splits on form feeds and U+2028, and
a server that counts lines differently from its client writes into the wrong line. This file knows
text and numbers; it knows neither documents nor the protocol's types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]


def offset_at(text: str, line: int, character: int, encoding: Encoding = "utf-16") -> int:
    """The offset of a position. One-off use; a document has a `LineIndex`.

    Past a line's end: before its line break. Past the last line: the text's end. Inside a
    surrogate pair or a multi-byte character: before that character. Negative: zero.
    """
    return LineIndex.build(text).offset_at(text, line, character, encoding)


def position_at(text: str, offset: int, encoding: Encoding = "utf-16") -> tuple[int, int]:
    """(line, character) of an offset; offsets outside the text are moved to its nearest end."""
    return LineIndex.build(text).position_at(text, offset, encoding)


@dataclass(frozen=True, slots=True)
class LineIndex:
    """Where lines begin. Immutable, so that a snapshot may share it with a newer document."""

    @classmethod
    def build(cls, text: str) -> LineIndex:
        """Index a whole text."""
        raise NotImplementedError

    def edited(self, text: str, start: int, end: int, inserted: int) -> LineIndex:
        """The index of `text`, made from the indexed text by replacing [start, end) with
        `inserted` characters. Looks only at lines near the edit."""
        raise NotImplementedError

    def offset_at(self, text: str, line: int, character: int, encoding: Encoding) -> int:
        """As the function `offset_at`."""
        raise NotImplementedError

    def position_at(self, text: str, offset: int, encoding: Encoding) -> tuple[int, int]:
        """As the function `position_at`."""
        raise NotImplementedError
