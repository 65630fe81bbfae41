"""Which tree-sitter grammar belongs to which file, and what its node types are called.

One table row per language. Grammars are loaded on first use; one that cannot be loaded leaves its
files as plain text, with a reason that `doctor` prints. This file never looks at a document.
"""

from __future__ import annotations

from tree_sitter import Parser


def language_for(language_id: str, path: str = "") -> str | None:
    """Our name for the language of an LSP language id (`typescriptreact` -> `tsx`), else of the
    path's extension or file name; None for plain text."""
    raise NotImplementedError


def parser_for(language: str) -> Parser | None:
    """A parser for one of our language names; None when its grammar cannot be loaded."""
    raise NotImplementedError


def available() -> dict[str, str]:
    """Every language we know -> its grammar's version, or `error: <why it cannot be loaded>`."""
    raise NotImplementedError
