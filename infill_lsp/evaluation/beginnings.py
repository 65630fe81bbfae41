"""How often `beginning` is right about what is missing: lines taken out of functions, and blank lines
put into them. Needs no model.

In a finished file nothing is missing, so whatever is found beside a blank line is a mistake. Where a
line is taken out that bound a name, the beginning should be that line's own.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infill_lsp.beginning import Beginning, beginning
from infill_lsp.bindings import BINDINGS
from infill_lsp.context import gather
from infill_lsp.corpus.documents import Document as Held
from infill_lsp.documents import Document, parse
from infill_lsp.grammars import GRAMMARS
from infill_lsp.statements import BLOCKS

PLACES = 8
"""Statements looked at in one file."""
SHORTEST, LONGEST = 1_500, 60_000
"""Characters of a file that is looked at."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One statement of a function, on a line of its own."""

    language: str
    mistaken: bool
    """Something seemed to be missing beside it."""
    missing: bool
    """It was taken out, and something seemed to be missing then that did not before."""
    right: bool
    """Its line began as was said."""


def look(documents: Iterable[Held], seed: int) -> Iterator[Looked]:
    """Statements of the documents whose language has a row in `bindings` and that parse."""
    for held in documents:
        text = held.text.replace("\r\n", "\n")
        if held.language not in BINDINGS or not SHORTEST < len(text) < LONGEST:
            continue
        statements = list(_statements(held.language, text))
        source = random.Random(f"{seed}/{held.package}/{held.path}")
        for start, body, end in source.sample(statements, min(PLACES, len(statements))):
            yield _looked(held.language, text, start, body, end)


def _looked(language: str, text: str, start: int, body: int, end: int) -> Looked:
    """start: of the line; body: of its text; end: of the line."""
    before, line = text[:body], text[body:end]
    blank = _beginning(language, before, "\n" + text[start:])
    taken = _beginning(language, before, text[end:])
    missing = taken is not None and blank is None
    return Looked(
        language,
        mistaken=blank is not None,
        missing=missing,
        right=missing and taken is not None and _begins(line, taken.text),
    )


def _beginning(language: str, before: str, after: str) -> Beginning | None:
    name = f"a{GRAMMARS[language].suffixes[0]}"
    document = Document(f"file:///{name}", before + after, path=name)
    return beginning(gather(document.snapshot(), len(before)))


def _begins(line: str, with_text: str) -> bool:
    """Whether it does, and not within a word."""
    following = line.removeprefix(with_text)[:1]
    whole = not (with_text[-1:].isalnum() and (following.isalnum() or following == "_"))
    return line.startswith(with_text) and whole


def _statements(language: str, text: str) -> Iterator[tuple[int, int, int]]:
    """Statements of functions that have a line for themselves: where it begins, where its text does,
    and where it ends."""
    tree = parse(language, text)
    if tree is None or tree.root_node.has_error:
        return
    waiting = [(tree.root_node, False)]
    while waiting:
        node, inside = waiting.pop()
        inside = inside or node.type in BINDINGS[language].scopes
        for child in node.named_children:
            waiting.append((child, inside))
            start = text.rfind("\n", 0, child.start_byte) + 1
            end = text.find("\n", child.start_byte)
            alone = not text[start : child.start_byte].strip() and child.end_byte <= end
            if inside and node.type in BLOCKS and alone:
                yield start, child.start_byte, end
