"""Members that a fill uses and that their class does not have, as far as a text knows the class whole.

A class's members are taken to be all words of its text: too many, so that what is missing among them is
missing indeed. A class is known whole where each of its bases is in the same text and nothing in it makes
members at run time; only in languages in which nothing outside of a class adds to it. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from tree_sitter import Node

from infill_lsp.brackets import lexicon_for, read
from infill_lsp.documents import parse
from infill_lsp.syntax import path_to

CLOSED = ("python", "javascript", "typescript", "tsx", "java", "php")
"""Languages whose classes are what their own text says."""
WORD = re.compile(r"[^\W\d]\w*")
LARGEST = 200_000
"""Characters of a text that is looked through."""

_CLASS = re.compile(r"class_(?:definition|declaration)|class|abstract_class_declaration")
_BASES = re.compile(
    r"superclass|heritage|extends|implements|interfaces|base_clause|argument_list|class_interface_clause"
)
_ROOTS = frozenset({"object", "Object", "ABC", "Protocol", "Generic"})
_DYNAMIC = re.compile(
    r"__getattr\w*__|__dict__|\bsetattr\b|\bmetaclass\b|\bprototype\b|\bProxy\b|Object\.assign\b"
    r"|\[\s*\w+\s*:\s*(?:string|number|symbol)\s*\]|__call\b|__get\b|^\s*use\s+\w",
    re.MULTILINE,
)
_STATE = re.compile(
    r"\b(?:self|this)\s*(?:\.|->|\?\.)\s*\w|^\s+[^\W\d]\w*\s*:\s*\w|^\s+(?:\w+[\w<>\[\], ]*\s)?\w+\s*(?:=[^=]|;)",
    re.MULTILINE,
)
"""What a class says of its own members, beside its methods' names."""
_DECORATED = re.compile(r"\A@(?!dataclass|dataclasses\.dataclass|final|total_ordering)")
_EVERY_OBJECT = {
    "java": ["getClass", "hashCode", "equals", "toString", "notify", "notifyAll", "wait", "clone"],
    "javascript": [
        "constructor",
        "hasOwnProperty",
        "toString",
        "valueOf",
        "toLocaleString",
        "isPrototypeOf",
    ],
}
_USE = re.compile(r"(?<![\w.$>])(\$?[^\W\d]\w*)\s*(?:\?\.|\.|->)\s*([^\W\d]\w*)(?=\s*(=(?!=))?)")
_SELF = ("self", "this", "$this", "cls")


def missing_member(language: str, before: str, fill: str, after: str) -> str | None:
    """The first member that `fill` uses of the class around it, or of an object of a class in the text,
    and that the class does not have; None where there is none, or nobody knows."""
    if language not in CLOSED or len(before) + len(after) > LARGEST:
        return None
    uses = list(uses_in(language, fill))
    if not uses:
        return None
    text = before + after
    for owner, member in uses:
        own = owner in _SELF
        name = None if own else class_of(owner, before)
        if not own and name is None:
            continue
        known = words_of_class(language, text, len(before.rstrip()) if own else None, name)
        if known is not None and member not in known:
            return f"{owner}.{member}"
    return None


def uses_in(language: str, fill: str) -> Iterator[tuple[str, str]]:
    """The objects and members that a fill's code reads, but for members that it binds itself."""
    code = code_of(language, fill)
    found = [(use[1], use[2], use[3]) for use in _USE.finditer(code)]
    bound = {(owner, member) for owner, member, binds in found if binds}
    for owner, member, _ in found:
        if (owner, member) not in bound and not member.startswith("__"):
            yield owner, member


def code_of(language: str, fill: str) -> str:
    """The fill with its strings and comments blank."""
    spans = read(fill, lexicon_for(language)).literals
    for start, end in spans:
        fill = fill[:start] + " " * (end - start) + fill[end:]
    return fill


def class_of(name: str, before: str) -> str | None:
    """The class whose object a variable holds, if all that the text before says of it is that; the name
    itself where it looks like a class."""
    bound = re.findall(
        rf"(?<![\w.]){re.escape(name)}\s*(?::\s*([\w.]+)\s*)?=(?!=)\s*(?:new\s+)?([\w.]*)(\(?)",
        before,
    )
    if bound:
        kinds = {made if called else "" for _, made, called in bound}
        return kinds.pop() or None if len(kinds) == 1 else None
    return name if name[:1].isupper() else None


def words_of_class(
    language: str, text: str, offset: int | None = None, name: str | None = None
) -> frozenset[str] | None:
    """All words of the class around an offset, or of that name, and of its bases; None where the text does
    not know it whole."""
    return _words(language, text, offset, name)


@lru_cache(maxsize=32)
def _words(language: str, text: str, offset: int | None, name: str | None) -> frozenset[str] | None:
    tree = parse(language, text)
    if tree is None:
        return None
    classes = {
        text[called.start_byte : called.end_byte]: node
        for node in _classes(tree.root_node)
        if (called := node.child_by_field_name("name")) is not None
    }
    if offset is not None:
        around = [node for node in path_to(tree, offset) if _CLASS.fullmatch(node.type)]
        if not around or around[-1].child_count == 0:
            return None
        source = text[around[-1].start_byte : around[-1].end_byte]
        # of one that is only begun nothing is known yet
        return _known(around[-1], text, classes, language, ()) if _STATE.search(source) else None
    node = classes.get(name or "")
    return None if node is None else _known(node, text, classes, language, ())


def _classes(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.is_named and _CLASS.fullmatch(node.type):
            yield node
        waiting.extend(node.named_children)


def _known(
    node: Node, text: str, classes: dict[str, Node], language: str, seen: tuple[int, ...]
) -> frozenset[str] | None:
    outer = node.parent if node.parent and node.parent.type == "decorated_definition" else node
    source = text[outer.start_byte : outer.end_byte]
    if _DYNAMIC.search(source) or _DECORATED.search(source) or node.start_byte in seen:
        return None
    words = set(WORD.findall(source))
    for base in _bases(node, text):
        if base in _ROOTS:
            continue
        if base not in classes:
            return None
        more = _known(classes[base], text, classes, language, (*seen, node.start_byte))
        if more is None:
            return None
        words |= more
    return frozenset(words.union(_EVERY_OBJECT.get(language, _EVERY_OBJECT["javascript"])))


def _bases(node: Node, text: str) -> Iterator[str]:
    body = node.child_by_field_name("body")
    end = body.start_byte if body is not None else node.end_byte
    for child in node.children:
        if child.start_byte < end and _BASES.search(child.type):
            yield from (
                name
                for name in WORD.findall(text[child.start_byte : child.end_byte])
                if name not in ("extends", "implements", "public", "virtual")
            )
