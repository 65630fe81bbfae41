"""One text of the corpus, and how it is written as a line of a shard."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

PIECE = 60_000
"""Characters in one document; longer files are cut."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text with the places in it that a programmer might leave open."""

    path: str
    """Relative to its package, with forward slashes."""
    package: str
    """Name and version, e.g. `django 5.1.3`."""
    licence: str
    language: str
    """A key of `grammars.GRAMMARS`."""
    text: str
    spans: dict[str, list[list[int]]] = field(default_factory=dict)
    """Kind -> [start, end) in code points of `text`, ascending."""

    def to_line(self) -> bytes:
        """UTF-8 JSON, without a line break."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_line(cls, line: bytes | str) -> Document:
        return cls(**json.loads(line))


def cut(text: str, size: int = PIECE) -> list[str]:
    """Pieces of at most `size` characters, cut before lines without indentation where possible.

    Joined they are the text again. A piece is only longer when it is one line.
    """
    pieces, start = [], 0
    while len(text) - start > size:
        end = _boundary(text, start, start + size)
        pieces.append(text[start:end])
        start = end
    return [*pieces, text[start:]] if start < len(text) else pieces or [""]


def _boundary(text: str, start: int, end: int) -> int:
    position = line = text.rfind("\n", start, end) + 1
    while position > start + (end - start) // 2:
        if text[position].isalnum() or text[position] in "@_#/":
            return position
        position = text.rfind("\n", start, position - 1) + 1
    if line > start:
        return line
    found = text.find("\n", end)
    return len(text) if found < 0 else found + 1
