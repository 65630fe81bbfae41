"""Names that the code after a gap reads and that nothing around it binds: the gap is where they come
from. Python only, whose scopes are simple and whose names need no declaration.

Pure functions of a text. Offsets are offsets in it.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterator

from tree_sitter import Node

from infill_lsp.documents import parse

_BUILTIN = frozenset((*dir(builtins), "__file__", "__name__", "__class__", "self", "cls"))
_SCOPES = ("function_definition", "lambda", "class_definition")
_TARGETS = {
    "assignment": "left",
    "for_statement": "left",
    "for_in_clause": "left",
    "named_expression": "name",
    "function_definition": "name",
    "class_definition": "name",
    "type_alias_statement": "left",
}
"""Where a statement or expression binds names, by field."""
_BINDERS = (
    "aliased_import",
    "as_pattern_target",
    "case_pattern",
    "dotted_name",
    "global_statement",
    "import_statement",
    "import_from_statement",
    "lambda_parameters",
    "nonlocal_statement",
    "parameters",
    "type_parameter",
)
"""What binds every name in it."""
_SILENT = {"attribute": "attribute", "keyword_argument": "name", "call": "function"}
"""Whose name in that field is no variable, or seldom one."""


def unbound(before: str, after: str, known: Collection[str] = ()) -> tuple[str, ...] | None:
    """The names that code behind a gap reads, in its own function, before anything there or around it
    binds them; the first to be read comes first. None where something does not parse.

    before: from the outermost definition around the gap up to the gap, and whatever stands in it.
    after: the rest of that definition. known: names bound outside of it.
    """
    text = before + after
    tree = parse("python", text)
    if tree is None or tree.root_node.has_error:
        return None
    *outer, own = _scopes_at(tree.root_node, len(before))
    bound = [
        pair for scope in outer if scope.type != "class_definition" for pair in _bound(scope, text)
    ]
    there = {*_BUILTIN, *known, *(name for name, _ in bound)}
    first: dict[str, int] = {}
    for name, at in _bound(own, text):
        first[name] = min(at, first.get(name, at))
    found = (
        name
        for name, at in _read(own, text)
        if at >= len(before) and name not in there and at < first.get(name, at + 1)
    )
    return tuple(dict.fromkeys(found))


def _scopes_at(root: Node, offset: int) -> list[Node]:
    """The module, classes and functions around `offset`, outermost first."""
    scopes, at = [root], root
    while True:
        inner = next(
            (each for each in at.named_children if each.start_byte < offset <= each.end_byte), None
        )
        if inner is None:
            return scopes
        at = inner
        body = at.child_by_field_name("body")
        if at.type in _SCOPES and body is not None and body.start_byte < offset:
            scopes.append(at)


def _walk(node: Node) -> Iterator[Node]:
    """`node`'s descendants in the order of the text, but for those of inner scopes."""
    for child in node.named_children:
        yield child
        if child.type not in _SCOPES:
            yield from _walk(child)


def _bound(scope: Node, text: str) -> Iterator[tuple[str, int]]:
    """Names that `scope` itself binds, and from which offset on."""
    for node, at in _bindings(scope):
        yield text[node.start_byte : node.end_byte], at


def _bindings(scope: Node) -> Iterator[tuple[Node, int]]:
    parameters = scope.child_by_field_name("parameters")
    if parameters is not None:
        yield from _names_in(parameters, scope.start_byte)
    for node in _walk(scope):
        field = _TARGETS.get(node.type)
        target = node.child_by_field_name(field) if field else None
        if target is not None:
            # a value is read before its name is bound; in an expression the order is another one
            at = node.end_byte if node.type == "assignment" else node.start_byte
            if node.type in ("for_in_clause", "named_expression"):
                at = _statement_of(node).start_byte
            yield from _names_in(target, at)
        elif node.type in _BINDERS:
            yield from _names_in(node, node.start_byte)


def _statement_of(node: Node) -> Node:
    while node.parent is not None and not node.type.endswith("_statement"):
        node = node.parent
    return node


def _names_in(node: Node, at: int) -> Iterator[tuple[Node, int]]:
    """The plain names of a target: not those of attributes and subscripts, which bind nothing."""
    if node.type == "identifier":
        yield node, at
    elif node.type not in ("attribute", "subscript"):
        for child in node.named_children:
            yield from _names_in(child, at)


def _read(scope: Node, text: str) -> Iterator[tuple[str, int]]:
    """Names that `scope` itself reads, and where; also those that it adds to."""
    bound = {node.start_byte for node, _ in _bindings(scope)}
    for node in _walk(scope):
        parent = node.parent
        if node.type != "identifier" or parent is None or node.start_byte in bound:
            continue
        if parent.type in _SILENT and node == parent.child_by_field_name(_SILENT[parent.type]):
            continue
        yield text[node.start_byte : node.end_byte], node.start_byte
