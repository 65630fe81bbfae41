"""An open document, kept in step with the editor, and the frozen snapshots that requests read.

Knows text, versions and trees. Knows nothing of the protocol's types (a change is our `Change`) nor
of what a tree is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tree_sitter import Tree

from infill_lsp.positions import Encoding

Position = tuple[int, int]
"""(line, character), both from 0, character in units of the document's encoding."""


@dataclass(frozen=True, slots=True)
class Change:
    """One content change. `range` None replaces the whole text."""

    text: str
    range: tuple[Position, Position] | None = None


class Snapshot:
    """A document as it was at one version. Never changes; cheap to take."""

    uri: str
    path: str
    """For the model to see: workspace-relative where known, else the file's name."""
    language_id: str
    language: str | None
    """Our grammar's name, or None for plain text."""
    version: int
    text: str
    encoding: Encoding
    no_tree: str | None
    """Why there is no tree (unknown language, file too big, ...); None when there is one."""

    def offset_at(self, line: int, character: int) -> int:
        """See `positions.offset_at`."""
        raise NotImplementedError

    def position_at(self, offset: int) -> Position:
        """See `positions.position_at`."""
        raise NotImplementedError

    def tree_at(self, offset: int) -> Tree | None:
        """A tree that is right around `offset` (of the whole text where that is quick enough).
        Its byte offsets are offsets in `text`. None: see `no_tree`."""
        raise NotImplementedError


class Document:
    """The mutable document. Used from one thread (the server's event loop)."""

    def __init__(
        self,
        uri: str,
        text: str,
        *,
        version: int = 0,
        language_id: str = "",
        path: str = "",
        encoding: Encoding = "utf-16",
    ) -> None:
        """`path` is what the model is shown; empty: the file's name out of `uri`."""
        raise NotImplementedError

    def apply(self, changes: Iterable[Change], version: int) -> None:
        """Apply changes in order, each relative to the text after the one before it."""
        raise NotImplementedError

    def snapshot(self) -> Snapshot:
        """The document as it is now. The same object until the next change."""
        raise NotImplementedError
