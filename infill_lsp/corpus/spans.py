"""The places in a text that a programmer might leave open, found by tree-sitter.

Knows syntax trees and offsets; what is done with a span is for others to decide.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from tree_sitter import Node, Query, QueryCursor

from infill_lsp.corpus.span_queries import QUERIES
from infill_lsp.grammars import parser_for

KINDS = ("statement", "block", "arguments", "value")
MAX_CHARACTERS = 600
"""A longer span is no gap that anyone fills at once."""
MAX_SPANS = 64
"""Of one kind in one document; of more, every n-th is taken."""


def find_spans(text: str, language: str) -> dict[str, list[list[int]]]:
    """Kind -> [start, end) in code points, ascending, of at most `MAX_CHARACTERS` and not blank.

    A kind without spans is left out; a language without a grammar has none.
    """
    compiled = _query(language)
    parser = parser_for(language)
    if compiled is None or parser is None:
        return {}
    source = text.encode()
    captured = QueryCursor(compiled).captures(parser.parse(source).root_node)
    points = _CodePoints(text, source)
    spans = {}
    for kind in KINDS:
        nodes = captured.get(kind, [])
        found = {span for node in nodes if (span := _trim(node, kind, text, points)) is not None}
        if found:
            spans[kind] = [list(span) for span in _sample(sorted(found))]
    return spans


class _CodePoints:
    """Byte offsets of UTF-8 -> code points."""

    def __init__(self, text: str, source: bytes) -> None:
        self._starts: NDArray[np.int64] | None = None
        if len(source) != len(text):
            begins = (np.frombuffer(source, dtype=np.uint8) & 0xC0) != 0x80
            self._starts = np.concatenate([[0], np.cumsum(begins)])

    def __getitem__(self, byte: int) -> int:
        return byte if self._starts is None else int(self._starts[byte])


@cache
def _query(language: str) -> Query | None:
    parser = parser_for(language)
    if parser is None or parser.language is None or language not in QUERIES:
        return None
    return Query(parser.language, QUERIES[language])


def _trim(node: Node, kind: str, text: str, points: _CodePoints) -> tuple[int, int] | None:
    """The span of a captured node; None when it is no gap worth filling."""
    if node.has_error or (kind == "statement" and "comment" in node.type):
        return None
    start, end = points[node.start_byte], points[node.end_byte]
    if start == end:  # a node that is missing in the text
        return None
    match kind:
        case "block" if text[start] == "{":
            start, end = start + 1, end - (text[end - 1] == "}")
        case "block":
            found = _line_start(node, text, points)
            if found is None:
                return None
            start = found
            end = text.find("\n", end) if text[end - 1] != "\n" else end - 1
            end = len(text) if end < 0 else end
        case "arguments" if text[start] == "(" and text[end - 1] == ")":
            start, end = start + 1, end - 1
        case "arguments":
            return None
        case "statement":
            end += text[end : end + 1] == ";"
            end -= len(text[start:end]) - len(text[start:end].rstrip())
        case _ if "\n" in text[start:end]:
            return None
    if end - start > MAX_CHARACTERS or not text[start:end].strip():
        return None
    return start, end


def _line_start(node: Node, text: str, points: _CodePoints) -> int | None:
    """Where the first line of an indented body begins, its leading comments included; None when it
    stands on its header's line."""
    while (before := node.prev_sibling) is not None and "comment" in before.type:
        if not _is_first(text, points[before.start_byte]):
            break  # a comment behind the header
        node = before
    start = points[node.start_byte]
    return text.rfind("\n", 0, start) + 1 if _is_first(text, start) else None


def _is_first(text: str, position: int) -> bool:
    """Only blanks stand before it on its line."""
    return not text[text.rfind("\n", 0, position) + 1 : position].strip()


def _sample(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(spans) <= MAX_SPANS:
        return spans
    return [spans[index * len(spans) // MAX_SPANS] for index in range(MAX_SPANS)]
