"""LSP positions (line, character) to offsets in a Python string, and back.

An offset counts code points, as Python does. A character counts units of the negotiated encoding.
Only `\\n`, `\\r\\n` and `\\r` end a line: `str.splitlines` also splits on form feeds and U+2028, and
a server that counts lines differently from its client writes into the wrong line. This file knows
text and numbers; it knows neither documents nor the protocol's types.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_STRIDE = 64  # lines between two checkpoints


def offset_at(text: str, line: int, character: int, encoding: Encoding = "utf-16") -> int:
    """The offset of a position. One-off use; a document has a `LineIndex`.

    Past a line's end: before its line break. Past the last line: the text's end. Inside a
    surrogate pair or a multi-byte character: before that character. Negative: zero.
    """
    return LineIndex.build(text).offset_at(text, line, character, encoding)


def position_at(text: str, offset: int, encoding: Encoding = "utf-16") -> tuple[int, int]:
    """(line, character) of an offset; offsets outside the text are moved to its nearest end."""
    return LineIndex.build(text).position_at(text, offset, encoding)


def line_bounds(text: str, offset: int) -> tuple[int, int]:
    """Where the line around `offset` starts, and where it ends before its line break."""
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    ends = [end for end in (text.find("\n", offset), text.find("\r", offset)) if end >= 0]
    return start, min(ends, default=len(text))


def units(text: str, encoding: Encoding) -> int:
    """How many characters `text` counts as in the protocol."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def within(text: str, count: int, encoding: Encoding) -> int:
    """How many whole characters of `text` the first `count` of its units are."""
    if encoding == "utf-32" or text.isascii():
        return min(count, len(text))
    codec, width = ("utf-8", 1) if encoding == "utf-8" else ("utf-16-le", 2)
    head = text.encode(codec, "surrogatepass")[: count * width]
    return len(head.decode(codec, "ignore"))


@dataclass(frozen=True, slots=True)
class LineIndex:
    """Where lines begin. Immutable, so that a snapshot may share it with a newer document.

    Holds a checkpoint about every 64 lines, not every line, so that an edit moves a few hundred
    numbers in the largest of files.
    """

    lines: tuple[int, ...]
    """Line number of each checkpoint, ascending; the first is 0."""
    offsets: tuple[int, ...]
    """Offset where that line begins."""

    @classmethod
    def build(cls, text: str) -> LineIndex:
        """Index a whole text."""
        lines, offsets, _ = _checkpoints(text, 0, 0, len(text))
        return cls((0, *lines), (0, *offsets))

    def edited(self, text: str, start: int, end: int, inserted: int) -> LineIndex:
        """The index of `text`, made from the indexed text by replacing [start, end) with
        `inserted` characters. Looks only at lines near the edit."""
        # A checkpoint survives when both characters that make it a line's start do: the break
        # before it, and the character after it (a `\n` there would turn `\r` into `\r\n`).
        kept = max(bisect_left(self.offsets, start), 1)
        after = max(bisect_right(self.offsets, end), kept)
        shift = inserted - (end - start)
        first_line, first = self.lines[kept - 1], self.offsets[kept - 1]
        last = self.offsets[after] + shift if after < len(self.offsets) else len(text)
        lines, offsets, count = _checkpoints(text, first_line, first, last)
        if after == len(self.offsets):
            return LineIndex(self.lines[:kept] + lines, self.offsets[:kept] + offsets)
        moved = first_line + count - self.lines[after]
        if lines and offsets[-1] == last:  # the surviving checkpoint itself
            lines, offsets = lines[:-1], offsets[:-1]
        return LineIndex(
            self.lines[:kept] + lines + tuple([line + moved for line in self.lines[after:]]),
            self.offsets[:kept] + offsets + tuple([at + shift for at in self.offsets[after:]]),
        )

    def offset_at(self, text: str, line: int, character: int, encoding: Encoding) -> int:
        """As the function `offset_at`."""
        if line < 0:
            return 0
        checkpoint = bisect_right(self.lines, line) - 1
        start = self.offsets[checkpoint]
        for _ in range(line - self.lines[checkpoint]):
            found = _LINE_BREAK.search(text, start)
            if found is None:
                return len(text)
            start = found.end()
        found = _LINE_BREAK.search(text, start)
        row = text[start : found.start() if found else len(text)]
        if character <= 0:
            return start
        if encoding == "utf-32" or row.isascii():
            return start + min(character, len(row))
        used = 0
        for at, letter in enumerate(row):
            used += _bytes(letter) if encoding == "utf-8" else 1 + (letter > "\uffff")
            if used > character:
                return start + at
        return start + len(row)

    def position_at(self, text: str, offset: int, encoding: Encoding) -> tuple[int, int]:
        """As the function `position_at`."""
        offset = min(max(offset, 0), len(text))
        checkpoint = bisect_right(self.offsets, offset) - 1
        line, start = self.lines[checkpoint], self.offsets[checkpoint]
        while (found := _LINE_BREAK.search(text, start)) and found.end() <= offset:
            line, start = line + 1, found.end()
        if found and found.start() < offset:  # between \r and \n: still before the line break
            offset = found.start()
        return line, units(text[start:offset], encoding)


def _checkpoints(
    text: str, line: int, start: int, end: int
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Every 64th line's number and offset in [start, end], where `start` begins line `line`; and
    the number of lines that begin in (start, end]."""
    offsets = [found.end() for found in _LINE_BREAK.finditer(text, start, end)]
    chosen = offsets[_STRIDE - 1 :: _STRIDE]
    lines = range(line + _STRIDE, line + len(offsets) + 1, _STRIDE)
    return tuple(lines), tuple(chosen), len(offsets)


def _bytes(letter: str) -> int:
    """Length in UTF-8; a lone surrogate counts three, as `surrogatepass` writes it."""
    return 1 + (letter > "\x7f") + (letter > "\u07ff") + (letter > "\uffff")
