"""What one level of indentation is: as the text has it, else as what stands around the file says.

In this order: the lines near the gap, `.editorconfig`, other files of the language, the editor's own
options, the language's convention. Also the columns that lines of a fill belong into.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

DEFAULT = "    "
INDENTED = 20_000
"""Characters of a file that are looked through for indented lines where none is near."""
LARGEST_CONFIG = 100_000
"""Bytes of an `.editorconfig`."""
_INDENTED = re.compile(r"^([ \t]+)[^\s*]", re.MULTILINE)  # ` *` continues a comment
_UNITS = {1: " ", 2: "  ", 3: "   ", 4: "    ", 8: " " * 8}
_CONVENTIONS = {
    "\t": ("go", "make", "makefile"),
    "  ": (
        *(
            "javascript",
            "typescript",
            "tsx",
            "json",
            "html",
            "css",
            "scss",
            "less",
            "vue",
            "svelte",
        ),
        *("yaml", "xml", "ruby", "scala", "dart", "elixir", "haskell", "hcl", "terraform", "nix"),
        *("ocaml", "r", "graphql", "proto", "proto3", "crystal", "coffeescript", "jinja", "astro"),
    ),
}
"""Levels that a language's formatter or style guide writes; four spaces everywhere else."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of a file's indentation without its text; empty: nothing."""

    editorconfig: str = ""
    siblings: str = ""
    """Of most other files of the language in the workspace."""
    options: str = ""
    """The editor's: `FormattingOptions`."""

    def unit(self, language: str) -> str:
        """One level for a text that does not show it itself."""
        return self.editorconfig or self.siblings or self.options or convention(language)


def convention(language: str) -> str:
    """One level as a language is usually written; language: our name, or the editor's id."""
    for unit, languages in _CONVENTIONS.items():
        if language in languages:
            return unit
    return DEFAULT


def unit_in(text: str) -> str | None:
    """One level, as most lines of a text have it; None where no line is indented."""
    steps: dict[str, int] = {}
    last = 0
    for found in _INDENTED.finditer(text):
        space = found[1]
        if space.startswith("\t"):
            unit, depth = "\t", 0
        else:
            depth = len(space)
            unit = _UNITS.get(depth - last, "")
        last = depth
        if unit:
            steps[unit] = steps.get(unit, 0) + 1
    return max(steps, key=lambda unit: (steps[unit], -len(unit)), default=None)


def from_options(tab_size: object, insert_spaces: object) -> str:
    """Of an editor's `FormattingOptions`; empty where they are not as the protocol has them."""
    if insert_spaces is False:
        return "\t"
    whole = isinstance(tab_size, int) and not isinstance(tab_size, bool)
    return " " * tab_size if whole and 1 <= tab_size <= 16 else ""  # type: ignore[operator]


def from_editorconfig(path: Path) -> str:
    """As the `.editorconfig` files above a file say; empty where they do not. Reads the disk."""
    from editorconfig import EditorConfigError, get_properties

    files = [folder / ".editorconfig" for folder in path.parents]
    try:
        for about in (file.stat() for file in files if os.path.lexists(file)):
            if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_CONFIG:
                return ""
        found = get_properties(str(path))
    except (EditorConfigError, OSError, UnicodeDecodeError, ValueError):
        return ""
    if found.get("indent_style") == "tab":
        return "\t"
    size = found.get("indent_size", "")
    size = found.get("tab_width", "") if size == "tab" else size
    fits = size.isdecimal() and 1 <= int(size) <= 16
    return " " * int(size) if fits and found.get("indent_style", "space") == "space" else ""


def leading(line: str) -> str:
    """A line's white space before its first letter."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def width(space: str) -> int:
    """Columns of white space; a tab counts four."""
    return sum(4 if letter == "\t" else 1 for letter in space)


def levels(above: str) -> list[str]:
    """The indentations that a line below `above` may have without opening a block: that of the last
    line, and of those around it, innermost first."""
    found: list[str] = []
    for line in reversed(above.rstrip().split("\n")):
        if not line.strip():
            continue
        space = leading(line)
        if not found or width(space) < width(found[-1]):
            found.append(space)
        if not space:
            break
    return found
