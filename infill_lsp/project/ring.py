"""The regions that were edited or looked at last, in any file: the live text, not what is on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from infill_lsp.project.index import WORD
from infill_lsp.project.sources import Piece, Question

CAPACITY = 16
REGION_LINES = 16
ALIKE = 0.9
"""Jaccard's index of words above which a region takes another's place."""


class Ring:
    """At most `CAPACITY` regions; the oldest leaves first."""

    def __init__(self) -> None:
        self._regions: deque[Piece] = deque(maxlen=CAPACITY)

    def remember(self, path: str, line: int, text: str, *, beside_secret: bool = False) -> None:
        """Take a region in. What it overlaps or repeats is older and leaves."""
        self._regions = deque(
            (each for each in self._regions if not _same(each, path, line, text)), CAPACITY
        )
        if text.strip():
            self._regions.append(Piece("recent", path, line, text, beside_secret))

    def paths(self) -> set[str]:
        """The files that regions are of."""
        return {each.path for each in self._regions}

    def forget(self, path: str) -> None:
        """The file is gone, or became private."""
        self._regions = deque((each for each in self._regions if each.path != path), CAPACITY)

    def pieces(self, asked: Question) -> Iterator[Piece]:
        """Regions of other files, the latest first."""
        others = (each for each in reversed(self._regions) if each.path != asked.path)
        return islice(others, CAPACITY)


def region_around(text: str, line: int) -> tuple[int, str]:
    """The first line of the region around `line`, and its text."""
    lines = text.split("\n")
    first = max(0, min(line - REGION_LINES // 2, len(lines) - REGION_LINES))
    return first, "\n".join(lines[first : first + REGION_LINES]).strip("\n")


def _same(piece: Piece, path: str, line: int, text: str) -> bool:
    if piece.path == path and abs(piece.line - line) < REGION_LINES:
        return True
    return jaccard(set(WORD.findall(piece.text)), set(WORD.findall(text))) > ALIKE


def jaccard(left: set[str], right: set[str]) -> float:
    """Shared over all; 0 for two empty sets."""
    return len(left & right) / len(left | right) if left or right else 0.0
