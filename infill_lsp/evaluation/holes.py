"""Several holes of one file that hide every occurrence of a name: do the fills agree on one?

A local variable of a Python function is taken out with all lines that use it: the whole assignment,
and of each use the line from there on. Whoever fills the holes must find a name in one and use it in
the others. Judged by parsing, and by pyflakes: no name undefined, none left unused, that was not
before.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from infill_lsp.corpus.documents import Document
from infill_lsp.evaluation.case import EvaluationError
from infill_lsp.faults import syntax_errors

FEWEST, MOST = 2, 5
"""Holes of a file."""
SPREAD = 600
"""Most characters from the first hole's beginning to the last one's end."""
LONGEST = 12_000
"""Characters of a file: reading a longer one takes a small machine longer than filling it."""
MARKER = "‸"


@dataclass(frozen=True, slots=True)
class HolesCase:
    """A file and the parts of it that are taken out, in order."""

    id: str
    path: str
    text: str
    spans: tuple[tuple[int, int], ...]

    def opened(self) -> tuple[str, tuple[tuple[int, int], ...]]:
        """The text with a marker in place of each part, and where the markers stand."""
        pieces, places, at, length = [], [], 0, 0
        for start, end in self.spans:
            pieces += [self.text[at:start], MARKER]
            length += start - at
            places.append((length, length + len(MARKER)))
            length += len(MARKER)
            at = end
        return "".join([*pieces, self.text[at:]]), tuple(places)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one file."""

    parses: bool
    """No more syntax errors than the file had."""
    names_agree: bool
    """It parses, and every name that is used is defined, every one that is assigned used."""
    exact: float
    """Share of the holes that say what stood there."""


def cases(documents: Iterable[Document], *, seed: int, limit: int | None) -> list[HolesCase]:
    """One case of each Python document that has one; `limit` of them, drawn at random.

    EvaluationError when there is none.
    """
    found = [
        (rank, case.id, case)
        for document in documents
        if document.language == "python" and len(document.text) <= LONGEST
        for rank, case in _case(document, seed)
    ]
    if not found:
        raise EvaluationError("the corpus's held-out files have no Python function to take from")
    return [case for _, _, case in sorted(found, key=lambda each: each[:2])][:limit]


def judge(case: HolesCase, filled: str, fills: Sequence[str | None]) -> Verdict:
    """filled: the whole file. fills: what stands in each hole; None where it was left open."""
    broken = syntax_errors("python", filled) > syntax_errors("python", case.text)
    exact = [
        fill is not None and fill.rstrip() == case.text[start:end].rstrip()
        for fill, (start, end) in zip(fills, case.spans, strict=True)
    ]
    agree = (
        not broken
        and (complaints := _complaints(filled)) is not None
        and not (complaints - (_complaints(case.text) or set()))
    )
    return Verdict(not broken, agree, sum(exact) / len(exact))


def _case(document: Document, seed: int) -> Iterable[tuple[float, HolesCase]]:
    name = f"{document.package}/{document.path}"
    source = random.Random(f"{seed}/{name}")
    rank = source.random()
    try:
        tree = ast.parse(document.text)
    except (SyntaxError, ValueError, RecursionError):
        return
    candidates = [
        spans
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for spans in _candidates(document.text, node)
    ]
    if candidates:
        spans = source.choice(candidates)
        yield rank, HolesCase(f"{name}:{spans[0][0]}", document.path, document.text, spans)


def _candidates(
    text: str, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterable[tuple[tuple[int, int], ...]]:
    """Holes for each variable of a function that is assigned on one line, and first there."""
    if "\r" in text:
        return  # a line break for Python and not for `split`
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    body = text[starts[function.lineno - 1] : starts[function.end_lineno or function.lineno]]
    uses: dict[str, list[tuple[int, int]]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            before = lines[node.lineno - 1].encode()[: node.col_offset].decode()
            uses.setdefault(node.id, []).append((node.lineno, len(before)))
    for node in ast.walk(function):
        if not (isinstance(node, ast.Assign) and node.lineno == node.end_lineno):
            continue
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name):
            continue
        places = sorted(uses[target.id])
        everywhere = len(re.findall(rf"\b{re.escape(target.id)}\b", body))
        if places[0][0] != node.lineno or everywhere != len(places):
            continue  # also in a string, a comment or an argument's name, or used before
        first = dict(reversed(places))
        spans = tuple(
            (starts[line - 1] + column, starts[line - 1] + len(lines[line - 1].rstrip()))
            for line, column in sorted(first.items())
        )
        if FEWEST <= len(spans) <= MOST and spans[-1][1] - spans[0][0] <= SPREAD:
            yield spans


def _complaints(text: str) -> set[tuple[str, str]] | None:
    """What pyflakes says of names; None where Python itself cannot read the text."""
    try:
        from pyflakes import checker, messages
    except ImportError as error:
        raise EvaluationError(
            "pyflakes is not installed. Install it: pip install 'infill-lsp[names]'"
        ) from error
    try:
        found = checker.Checker(ast.parse(text)).messages
    except (SyntaxError, ValueError, RecursionError):
        return None
    wanted = (messages.UndefinedName, messages.UndefinedLocal, messages.UnusedVariable)
    return {
        (type(each).__name__, str(each.message_args[0]))
        for each in found
        if isinstance(each, wanted)
    }
