"""Names that the code after a gap reads and that nothing around it binds: the gap is where they come
from. Only in the languages of `bindings`.

Pure functions of a text. Offsets are offsets in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tree_sitter import Node

from infill_lsp.bindings import BINDINGS, Bindings
from infill_lsp.documents import parse


def unbound(language: str, before: str, after: str) -> tuple[str, ...] | None:
    """The names that code behind a gap in a function reads, in that function, before anything there or
    around it binds them; the first to be read comes first. None where something does not parse, and
    outside of functions.

    before: from the outermost definition around the gap up to the gap, and whatever stands in it.
    after: the rest of that definition.
    """
    text = before + after
    tree = parse(language, text)
    if tree is None or tree.root_node.has_error:
        return None
    reader = _Reader(text, BINDINGS[language])
    around = _around(tree.root_node, len(before))
    *outer, own = [tree.root_node, *(each for each in around if reader.is_scope(each, len(before)))]
    if not outer:
        return None
    end = next(
        (each.end_byte for each in reversed(around) if each.type in reader.row.blocks), len(text)
    )
    there = {
        name
        for scope in outer
        if scope.type not in reader.row.unseen
        for name, _ in reader.bound(scope)
    }
    first: dict[str, int] = {}
    for name, at in reader.bound(own):
        first[name] = min(at, first.get(name, at))
    found = (
        name
        for name, at, needed in reader.read(own, len(before))
        if len(before) <= at < end and name not in there and needed < first.get(name, needed + 1)
    )
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=32)  # while somebody types in one function, the others stay as they are
def from_outside(language: str, definition: str) -> frozenset[str]:
    """The names that a whole definition reads and that nothing in it binds. None at all where it does
    not parse."""
    tree = parse(language, definition)
    if tree is None or tree.root_node.has_error:
        return frozenset()
    reader, root = _Reader(definition, BINDINGS[language]), tree.root_node
    read = {name for name, _, _ in reader.read(root, 0)}
    return frozenset(read - {name for name, _ in reader.bound(root)})


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who binds and who reads names in one text."""

    text: str
    row: Bindings

    def is_scope(self, node: Node, offset: int) -> bool:
        """Whether `offset` is in the body of a scope."""
        body = node.child_by_field_name("body")
        return node.type in self.row.scopes and body is not None and body.start_byte < offset

    def bound(self, scope: Node) -> Iterator[tuple[str, int]]:
        """Names that `scope` itself binds, and from which offset on."""
        for node, at in self._bindings(scope):
            yield self._name(node), at

    def read(self, scope: Node, start: int) -> Iterator[tuple[str, int, int]]:
        """Names that `scope` and the scopes in it read from `start` on and that those do not bind,
        where, and where they must be bound: what an inner scope reads may be bound behind it."""
        row = self.row
        bound = {node.start_byte for node, _ in self._bindings(scope)}
        for node in self._walk(scope, start):
            if node.type in row.scopes:
                own = {name for name, _ in self.bound(node)}
                for name, at, _ in self.read(node, start):
                    if name not in own:
                        yield name, at, len(self.text)
            elif node.type in row.names and node.start_byte not in bound and self._reads(node):
                yield self._name(node), node.start_byte, node.start_byte

    def _reads(self, node: Node) -> bool:
        row, parent, name = self.row, node.parent, self._name(node)
        if parent is None or name in row.known or not row.variable.fullmatch(name):
            return False
        if parent.type in row.macros:
            last = self.text[: node.start_byte].rstrip()[-1:]
            following = self.text[node.end_byte :].lstrip()[:1]
            return last not in (".", ":") and following not in ("!", "(", ":", "=")
        if parent.type == "literal_element":
            node, parent = parent, parent.parent or parent
        if (silent := row.silent.get(parent.type)) is None:
            return True
        return bool(silent) and node != parent.child_by_field_name(silent)

    def _name(self, node: Node) -> str:
        return self.text[node.start_byte : node.end_byte]

    def _walk(self, node: Node, start: int = -1) -> Iterator[Node]:
        """`node`'s descendants that end behind `start`, in the order of the text, but for those of
        inner scopes."""
        scopes, ignored = self.row.scopes, self.row.ignored
        waiting = node.named_children[::-1]
        while waiting:
            at = waiting.pop()
            if at.end_byte <= start or at.type in ignored:
                continue
            yield at
            if at.type not in scopes:
                waiting.extend(reversed(at.named_children))

    def _bindings(self, scope: Node) -> Iterator[tuple[Node, int]]:
        row = self.row
        for field in ("parameters", "parameter", "receiver", "result"):
            if (own := scope.child_by_field_name(field)) is not None:
                yield from self._names_in(own, scope.start_byte)
        for node in self._walk(scope):
            field = row.targets.get(node.type, "")
            target = node.child_by_field_name(field) if field else None
            if target is not None:
                yield from self._names_in(target, self._from(node, scope))
            elif node.type in row.binders:
                yield from self._names_in(node, node.start_byte)

    def _from(self, node: Node, scope: Node) -> int:
        """From where on the names are bound that `node` binds."""
        if node.type in self.row.hoisted:
            return scope.start_byte
        if node.type in self.row.behind:
            return node.end_byte  # a value is read before its name is bound
        if node.type in ("for_in_clause", "named_expression"):  # read before they are bound
            return _statement_of(node).start_byte
        return node.start_byte

    def _names_in(self, node: Node, at: int) -> Iterator[tuple[Node, int]]:
        """The plain names of a target: not those of attributes and subscripts, which bind nothing."""
        if node.type in self.row.bound_names:
            yield node, at
        elif node.type not in self.row.not_bound:
            for child in node.named_children:
                yield from self._names_in(child, at)


def _around(root: Node, offset: int) -> list[Node]:
    """The nodes around `offset`, outermost first."""
    around, at = list[Node](), root
    while True:
        inner = (each for each in at.named_children if each.start_byte < offset <= each.end_byte)
        if (found := next(inner, None)) is None:
            return around
        around.append(at := found)


def _statement_of(node: Node) -> Node:
    while node.parent is not None and not node.type.endswith("_statement"):
        node = node.parent
    return node
