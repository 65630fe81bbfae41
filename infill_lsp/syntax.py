"""Questions to a syntax tree: where is this, what is imported, is it broken.

Pure functions of a tree, its text and its language's name. Offsets are offsets in the text (see
`documents.Snapshot.tree_at`).
"""

from __future__ import annotations

from dataclasses import dataclass

from tree_sitter import Tree


@dataclass(frozen=True, slots=True)
class Scope:
    """A class, function or the like around a position."""

    kind: str
    """The grammar's node type, e.g. `function_definition`."""
    name: str
    """Empty where it has none."""
    start: int
    """Offset of its first character."""
    header: str
    """Its source up to the body, e.g. `def f(x: int) -> str:`."""


def scopes_at(tree: Tree, text: str, language: str, offset: int) -> tuple[Scope, ...]:
    """Enclosing scopes, outermost first."""
    raise NotImplementedError


def in_string(tree: Tree, text: str, language: str, offset: int) -> bool:
    """Whether text typed at `offset` would be part of a string literal, finished or not."""
    raise NotImplementedError


def in_comment(tree: Tree, text: str, language: str, offset: int) -> bool:
    """Whether text typed at `offset` would be part of a comment, finished or not."""
    raise NotImplementedError


def imports(tree: Tree, text: str, language: str) -> tuple[str, ...]:
    """Source text of the import statements at the top level, in order."""
    raise NotImplementedError


def errors(tree: Tree, start: int, end: int) -> int:
    """How many ERROR and MISSING nodes touch [start, end]."""
    raise NotImplementedError


def parses_no_worse(language: str, prefix: str, fill: str, suffix: str) -> bool:
    """Whether `fill` between `prefix` and `suffix` leaves no more errors near it than the empty
    gap has. True where there is no grammar."""
    raise NotImplementedError
