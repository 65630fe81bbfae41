"""One hole of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["marker", "body", "missing", "error"]


@dataclass(frozen=True, slots=True)
class Hole:
    """[start, end) is to be replaced by `lead`, a fill and `trail`."""

    start: int
    end: int
    kind: Kind
    lead: str = ""
    """What comes before the fill whatever it is, e.g. a line break and indentation."""
    trail: str = ""
    known: str | None = None
    """The fill, where only one is possible: the bracket that the grammar misses."""
