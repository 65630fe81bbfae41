"""What the file itself says about a gap: text on both sides, scopes, imports, and whether one line
or several belong there. Reads a snapshot; knows no other file, no token and no model.
"""

from __future__ import annotations

from dataclasses import dataclass

from infill_lsp.documents import Snapshot
from infill_lsp.syntax import Scope


@dataclass(frozen=True, slots=True)
class Context:
    """A gap [offset, end) and what surrounds it."""

    prefix: str
    """The whole document before the gap."""
    suffix: str
    """The whole document after the gap."""
    language: str = ""
    """Our grammar's name, else the editor's language id; empty for plain text."""
    path: str = ""
    scopes: tuple[Scope, ...] = ()
    """Enclosing classes and functions, outermost first."""
    imports: tuple[str, ...] = ()
    """Source text of the file's import statements, in order."""
    in_string: bool = False
    in_comment: bool = False
    line_prefix: str = ""
    """The gap's first line before the gap."""
    line_suffix: str = ""
    """The gap's last line after the gap, without its line break."""
    indent: str = ""
    """Leading white space of the gap's first line."""
    indent_unit: str = "    "
    """One level of indentation as the file has it."""
    newline: str = "\n"
    """`\\n` or `\\r\\n`."""
    single_line: bool = False
    """The fill may hold no line break."""
    quiet: str | None = None
    """Why no suggestion should be made here unless asked for; None: suggest."""


def gather(snapshot: Snapshot, offset: int, *, end: int | None = None) -> Context:
    """The context of the gap [offset, end); `end` None means offset: nothing is replaced.

    Raises ValueError when 0 <= offset <= end <= len(text) does not hold.
    """
    raise NotImplementedError
