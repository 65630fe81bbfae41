"""What one file says about itself to others: what it defines and what it imports, from one parse."""

from __future__ import annotations

from dataclasses import dataclass

from infill_lsp.documents import parse
from infill_lsp.grammars import GRAMMARS
from infill_lsp.project.modules import READERS
from infill_lsp.project.symbols import DATA, Symbol, symbols_in
from infill_lsp.syntax import imports


@dataclass(frozen=True, slots=True)
class Outline:
    """A file's definitions and imports, both in order."""

    symbols: tuple[Symbol, ...] = ()
    imports: tuple[str, ...] = ()
    """Source text of the import statements, in languages whose imports are followed."""


def outline_of(language: str, text: str) -> Outline:
    """The outline of a text; empty where trees say nothing."""
    tree = parse(language, text) if language in GRAMMARS and language not in DATA else None
    if tree is None:
        return Outline()
    statements = imports(tree, text, language) if language in READERS else ()
    return Outline(symbols_in(tree, text, language), statements)
