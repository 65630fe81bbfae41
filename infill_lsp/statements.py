"""What a grammar lets pass and a reader does not: statements at an indentation that their block does
not have, blocks with nothing in them, statements that nothing reaches.

Pure functions of a tree. Offsets are offsets in the text that was parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tree_sitter import Node, Tree

from infill_lsp.grammars import Grammar

Span = tuple[int, int]

_ENDS = (
    "return_statement",
    "raise_statement",
    "throw_statement",
    "break_statement",
    "continue_statement",
    "return_expression",
    "break_expression",
    "continue_expression",
)
"""Statements behind which their block does not go on."""
BLOCKS = ("block", "compound_statement", "statement_block", "statement_list")
"""Statements one after another."""
_REACHED = ("function_declaration", "generator_function_declaration", "labeled_statement")
"""What may stand behind one of `_ENDS`: it is hoisted, or jumped to."""
_BESIDE = ("comment", "attribute_item", "preproc", "line_comment", "block_comment")


def misplaced(tree: Tree, row: Grammar, start: int, end: int) -> Iterator[Span]:
    """The spaces between two statements, of those that touch [start, end], behind which the second
    is not where its block is. Only in languages whose blocks are made by indentation."""
    for node in _suites(tree, row, start, end):
        inside = _statements(node)
        for before, after in pairwise(inside):
            if before.end_byte > end or after.start_byte < start:
                continue
            on_new_line = after.start_point.row > before.end_point.row
            if on_new_line and after.start_point.column != inside[0].start_point.column:
                yield before.end_byte, after.start_byte


def empty(tree: Tree, row: Grammar, start: int, end: int) -> Iterator[int]:
    """Where, in [start, end], blocks should begin that have no statement. As `misplaced`."""
    for node in _suites(tree, row, start, end):
        if node.parent is not None and start <= node.start_byte and not _statements(node):
            yield node.start_byte


def unreachable(tree: Tree, start: int, end: int) -> Iterator[Span]:
    """The statements that end their block although it goes on, of those that begin in [start, end)."""
    for node in _touching(tree, start, end):
        if node.type not in BLOCKS:
            continue
        for ending, after in pairwise(_statements(node)):
            if _ends(ending) and start <= ending.start_byte < end and after.type not in _REACHED:
                yield ending.start_byte, ending.end_byte


def _suites(tree: Tree, row: Grammar, start: int, end: int) -> Iterator[Node]:
    if row.suites:
        yield from (each for each in _touching(tree, start, end) if each.type in row.suites)


def _touching(tree: Tree, start: int, end: int) -> Iterator[Node]:
    waiting = [tree.root_node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(
            each
            for each in node.named_children
            if each.end_byte >= start and each.start_byte <= end
        )


def _statements(block: Node) -> list[Node]:
    return [each for each in block.named_children if not each.type.startswith(_BESIDE)]


def _ends(statement: Node) -> bool:
    if statement.type == "expression_statement" and statement.named_child_count == 1:
        inner = statement.named_children[0]
        return inner.type in _ENDS
    return statement.type in _ENDS
