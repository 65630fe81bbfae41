"""Questions to a syntax tree: where is this, what is imported. (For what is wrong, see `faults`.)

Pure functions of a tree, its text and its language's name. Offsets are offsets in the text (see
`documents.Snapshot.tree_at`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tree_sitter import Node, Tree

from infill_lsp.documents import parse
from infill_lsp.excerpt import LOOK, REACH
from infill_lsp.grammars import GRAMMARS, Grammar

HEADER = 200
"""Most characters of a scope's header."""

_DEFINES = re.compile(
    r"^([ \t]*)((?:(?:export|default|async|pub|public|private|static|abstract|local)\s+)*"
    r"(class|def|enum|fn|func|function|impl|interface|module|namespace|struct|trait)\s+([\w.:]+))",
    re.MULTILINE,
)
_NAMED_BY = ("name", "key", "declarator", "type")
_NAMES = (
    "bare_key",
    "dotted_key",
    "feature_query",
    "identifier",
    "object_reference",
    "quoted_key",
    "selectors",
    "start_tag",
    "type_identifier",
)


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


def path_to(tree: Tree, offset: int) -> Iterator[Node]:
    """The nodes that reach over `offset` or end there, outermost first."""
    cursor = tree.walk()
    at = max(offset - 1, 0)
    while True:
        node = cursor.node
        assert node is not None  # a cursor stands on a node, whatever its type says
        yield node
        if cursor.goto_first_child_for_byte(at) is None:
            return


def scopes_at(tree: Tree, text: str, language: str, offset: int) -> tuple[Scope, ...]:
    """Enclosing scopes, outermost first. Where the code is broken the tree may have lost them;
    then indentation and keywords may find more."""
    row = GRAMMARS[language]
    # An indented block ends, for the tree, with its last statement: ask there, not in the space
    # after it, and see below whether the space still belongs to the block.
    near = text[max(offset - LOOK, 0) : offset]
    path = list(path_to(tree, offset - len(near) + len(near.rstrip()) if row.indented else offset))
    found = tuple(
        scope_of(node, text, row)
        for node in path
        if node.type in row.scopes
        and node.is_named
        and (node.start_byte < offset < node.end_byte or _indented_under(node, text, row, offset))
    )
    if any(node.is_error for node in path) or path[0].has_error:
        return max(_scopes_by_indentation(text, offset), found, key=len)
    return found


def scope_of(node: Node, text: str, row: Grammar) -> Scope:
    """What a reader would call a class, function or the like."""
    return Scope(node.type, _name(node, text), node.start_byte, _header(node, text, row.bodies))


def _indented_under(node: Node, text: str, row: Grammar, offset: int) -> bool:
    """Whether `offset`, at or after the node's end, is indented like something inside of it."""
    if not row.indented or offset < node.end_byte:
        return False
    start = text.rfind("\n", 0, offset) + 1
    return start <= node.end_byte or offset - start > node.start_point.column


def _scopes_by_indentation(text: str, offset: int) -> tuple[Scope, ...]:
    found: list[Scope] = []
    start = text.rfind("\n", 0, offset) + 1
    line = text[start:offset]
    indent = len(line) - len(line.lstrip())
    for header in reversed(list(_DEFINES.finditer(text, max(start - 4 * REACH, 0), start))):
        if len(header[1]) < indent:
            indent = len(header[1])
            end = text.find("\n", header.end())
            source = text[header.start(2) : end if end >= 0 else len(text)]
            found.append(
                Scope(header[3], header[4], header.start(2), source[:HEADER].rstrip(" \t\r{"))
            )
    return tuple(reversed(found))


def in_string(tree: Tree, text: str, language: str, offset: int) -> bool:
    """Whether text typed at `offset` would be part of a string literal that has its end. (For one
    that has not, see `brackets`.)"""
    row = GRAMMARS[language]
    inside = False
    for node in path_to(tree, offset):
        if node.type in row.interpolations and node.start_byte < offset < node.end_byte:
            inside = False
        elif node.type in row.strings and node.start_byte < offset < node.end_byte:
            inside = text[node.start_byte] not in "0123456789"  # in SQL numbers are literals too
    return inside


def in_comment(tree: Tree, text: str, language: str, offset: int) -> bool:
    """Whether text typed at `offset` would be part of a comment. At the end of a comment that ends
    with its line, it would."""
    row = GRAMMARS[language]
    for node in path_to(tree, offset):
        if node.type in row.comments and node.start_byte < offset:
            source = text[node.start_byte : node.end_byte].rstrip("\r\n")
            closed = source.endswith(("*/", "]]", "-->"))
            return offset < node.end_byte or (not closed and "\n" not in source)
    return False


def imports(tree: Tree, text: str, language: str) -> tuple[str, ...]:
    """Source text of the import statements at the top level, in order."""
    kinds = GRAMMARS[language].imports
    if not kinds:
        return ()
    return tuple(
        text[node.start_byte : node.end_byte].strip()
        for node in tree.root_node.children
        if node.type in kinds
    )


@lru_cache(maxsize=16)
def imports_of_head(language: str, head: str) -> tuple[str, ...]:
    """`imports` of a big file's first lines, remembered while they stay the same."""
    tree = parse(language, head)
    return imports(tree, head, language) if tree else ()


def _name(node: Node, text: str) -> str:
    """The name's source, out of whichever field the grammar keeps it in."""
    for field in _NAMED_BY:
        found = node.child_by_field_name(field)
        if found is None:
            continue
        while field == "declarator" and found.type.endswith("declarator") and found.named_children:
            # C: `*name(arguments)`
            found = found.child_by_field_name("declarator") or found.named_children[0]
        return _first_line(found, text)
    for child in node.named_children[:8]:
        if child.type == "type_spec":  # Go: `type Name struct`
            return _name(child, text)
        if child.type in _NAMES:
            return _first_line(child, text).strip("<>")
    return ""


def _first_line(node: Node, text: str) -> str:
    return text[node.start_byte : node.end_byte].partition("\n")[0]


def _header(node: Node, text: str, bodies: tuple[str, ...]) -> str:
    body = node.child_by_field_name("body")
    if body is None:
        body = next((child for child in node.children if child.type in bodies), None)
    end = body.start_byte if body is not None else node.end_byte
    return text[node.start_byte : min(end, node.start_byte + HEADER)].rstrip().rstrip("{").rstrip()
