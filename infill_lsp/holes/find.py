"""All holes of a text, in order, none inside another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tree_sitter import Node, Tree

from infill_lsp.context import indent_unit
from infill_lsp.documents import parse
from infill_lsp.grammars import GRAMMARS, Grammar, judged
from infill_lsp.holes.hole import Hole
from infill_lsp.holes.markers import (
    TODO,
    ellipses,
    literal_markers,
    python_markers,
    todos,
    unfinished,
)
from infill_lsp.positions import line_bounds

LONGEST_ERROR = 200
"""Characters: what does not parse beyond that is no hole but a text in another language."""
_FUNCTION = re.compile(r"func|method|constructor")
_WRITTEN = re.compile(r"[^\w\s]+|[A-Za-z]+")
"""How a token is called that is written as it is called, unlike `_newline`."""
_SPACE = re.compile(r"[ \t]*")


def find_holes(
    text: str,
    language: str | None,
    *,
    markers: Sequence[str],
    path: str = "",
    span: tuple[int, int] | None = None,
    excerpt: Sequence[tuple[int, int]] | None = None,
) -> tuple[Hole, ...]:
    """The holes that touch `span` (None: the whole text).

    language: our grammar's name; without one only markers are found that are neither code nor words.
    excerpt: which parts of a big text to parse; `span` must lie in them.
    """
    span = span or (0, len(text))
    literal = literal_markers(text, markers, span)
    if language is None or not judged(language):
        return _apart(hole for hole in literal if not text[hole.start].isalnum())
    if "..." in markers:
        literal += ellipses(text, language, span)
    # With names in place of markers, of the same length, only real errors remain.
    spans = list(excerpt) if excerpt else None
    readable = _without(text, literal)
    tree = parse(language, readable, spans=spans)
    if tree is None:
        return _apart(hole for hole in literal if not text[hole.start].isalnum())
    marked = [hole for hole in literal if unfinished(hole, tree, text, language)]
    newline = "\r\n" if "\r\n" in text else "\n"
    if language == "python":
        marked += python_markers(tree, text, path, markers, span)
    if TODO in markers:
        marked += todos(tree, text, language, newline, span)
    bodies = [*_empty_bodies(tree, text, language, newline, span)]
    wrong = [
        hole
        for hole in _errors(tree, text, span)
        if not any(_same_line(hole, other, text) for other in marked)
    ]
    return _apart([*marked, *bodies, *wrong])


def _without(text: str, literal: Iterable[Hole]) -> str:
    for hole in literal:
        text = text[: hole.start] + "x" * (hole.end - hole.start) + text[hole.end :]
    return text


def _apart(holes: Iterable[Hole]) -> tuple[Hole, ...]:
    """In order; of those that touch the first one given stays."""
    kept: list[Hole] = []
    for hole in holes:
        if not any(hole.start <= other.end and other.start <= hole.end for other in kept):
            kept.append(hole)
    return tuple(sorted(kept, key=lambda hole: hole.start))


def _same_line(hole: Hole, other: Hole, text: str) -> bool:
    start, _ = line_bounds(text, other.start)
    _, end = line_bounds(text, other.end)
    return hole.start <= end and start <= hole.end


def _within(tree: Tree, span: tuple[int, int]) -> Iterator[Node]:
    """All nodes that touch `span`, outer ones first."""
    waiting = [tree.root_node]
    while waiting:
        node = waiting.pop()
        if node.end_byte >= span[0] and node.start_byte <= span[1]:
            yield node
            waiting.extend(reversed(node.children))


def _empty_bodies(
    tree: Tree, text: str, language: str, newline: str, span: tuple[int, int]
) -> Iterator[Hole]:
    """Functions whose body is opened over several lines and holds nothing: `{}` on one line is
    meant. Where indentation makes blocks, any header with nothing below it."""
    row = GRAMMARS[language]
    for node in _within(tree, span):
        if row.indented:
            if node.type in row.bodies and node.start_byte == node.end_byte and node.parent:
                yield _below_header(node.parent, node, text, newline)
            continue
        if node.type not in row.scopes or not _FUNCTION.search(node.type):
            continue
        inside = _inside(node, text, row)
        if inside is not None and "\n" in text[slice(*inside)] and not text[slice(*inside)].strip():
            indent = _indent(text, node.start_byte)
            deeper = newline + indent + indent_unit(text, inside[0])
            yield Hole(*inside, "body", lead=deeper, trail=newline + indent)


def _below_header(owner: Node, body: Node, text: str, newline: str) -> Hole:
    """Behind the header, and behind comments that stand deeper than it: in place of the blank line
    that somebody has opened there, if it is indented."""
    colon = max((child.end_byte for child in owner.children if child.type == ":"), default=0)
    start = end = line_bounds(text, colon)[1] if colon else body.start_byte
    indent = _indent(text, owner.start_byte)
    inner = indent + indent_unit(text, start)
    for found in re.compile(r"\r?\n([ \t]*)([^\r\n]*)").finditer(text, start):
        deeper = len(found[1]) > len(indent)
        if found.start() != end or not deeper or (found[2] and not found[2].startswith("#")):
            break
        end = found.end()
        inner = found[1]
        if found[2]:
            start = end
    return Hole(start, end, "body", lead=newline + inner)


def _inside(node: Node, text: str, row: Grammar) -> tuple[int, int] | None:
    """[start, end) between the brackets, or the header and the closing word, of a function."""
    body = node.child_by_field_name("body")
    if body is None:
        body = next((child for child in node.children if child.type in row.bodies), None)
    if body is not None and text[body.start_byte : body.end_byte].startswith("{"):
        closed = text[body.start_byte : body.end_byte].endswith("}")
        return (body.start_byte + 1, body.end_byte - 1) if closed else None
    ends = row.block_end and text.endswith(row.block_end, node.start_byte, node.end_byte)
    if body is None and ends and len(node.children) > 2:
        return node.children[-2].end_byte, node.end_byte - len(row.block_end)
    return None


def _indent(text: str, offset: int) -> str:
    found = _SPACE.match(text, line_bounds(text, offset)[0])
    return found[0] if found else ""


def _errors(tree: Tree, text: str, span: tuple[int, int]) -> Iterator[Hole]:
    """What the grammar misses, and the smallest stretches that it refuses."""
    waiting = [tree.root_node]
    while waiting:
        node = waiting.pop()
        start, end = node.start_byte, node.end_byte
        if end < span[0] or start > span[1] or not (node.has_error or node.is_missing):
            continue
        if node.is_missing:
            known = None if node.is_named else node.type
            if known is None or _WRITTEN.fullmatch(known):
                yield Hole(start, start, "missing", known=known)
            continue
        body = text[start:end].strip()
        if node.is_error and node.parent and 0 < len(body) <= LONGEST_ERROR and "\n" not in body:
            start += len(text[start:end]) - len(text[start:end].lstrip())
            yield Hole(start, start + len(body), "error")
            continue
        waiting.extend(node.children)
