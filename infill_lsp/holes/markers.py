"""Markers that a programmer leaves where code is to come, told from the same letters meant as such.

`...` and `pass` are also code, and `TODO` also a remark, so each has its rule. Any other marker is
taken as it stands; in it the word `name` stands for any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from tree_sitter import Node, Tree

from infill_lsp.grammars import GRAMMARS, judged
from infill_lsp.holes.hole import Hole
from infill_lsp.positions import line_bounds
from infill_lsp.syntax import in_comment, in_string, path_to

ELLIPSIS, PASS, TODO = "...", "pass", "TODO"

_PYTHON = re.compile(r"\.\.\.|\bpass\b")
_ELLIPSIS = re.compile(r"(?<![\w.\[\]{}\"'])\.\.\.(?![\w.$@&*\[\]({\"'])")
_OTHER_MEANING = ("bash", "css", "html", "lua", "yaml")
"""Languages where `...` alone says something, or where much of the text is prose."""
_LAST_ARGUMENT = ("c", "cpp", "php", "ruby")
"""Languages where `...)` says something."""
_MEANT_INSIDE = (
    "subscript",
    "type",
    "default_parameter",
    "typed_default_parameter",
    "comparison_operator",
)
_CAPITAL_CALL = re.compile(r"(?:\w+\.)*[A-Z]\w*")
_NO_CODE_WANTED = ("class_definition", "except_clause", "finally_clause", "while_statement")
"""Whose body is often `pass` for good."""
_ABSTRACT = re.compile(r"\b(?:overload|abstract\w*)\b")
_PROTOCOL = re.compile(r"\bProtocol\b")


def literal_markers(text: str, markers: Sequence[str], span: tuple[int, int]) -> list[Hole]:
    """Where markers that are no code and no words stand in `span`, in order, whatever is around."""
    found = []
    for marker in markers:
        if marker not in (ELLIPSIS, PASS, TODO, ""):
            matches = _pattern(marker).finditer(text, *span)
            found += [Hole(match.start(), match.end(), "marker") for match in matches]
    return sorted(found, key=lambda hole: hole.start)


def ellipses(text: str, language: str, span: tuple[int, int]) -> list[Hole]:
    """Where `...` stands by itself, in languages other than Python, strings and comments too."""
    if language == "python" or language in _OTHER_MEANING or not judged(language):
        return []
    return [
        Hole(found.start(), found.end(), "marker")
        for found in _ELLIPSIS.finditer(text, *span)
        if not (language in _LAST_ARGUMENT and text.startswith(")", found.end()))
    ]


def unfinished(hole: Hole, tree: Tree, text: str, language: str) -> bool:
    """Whether a literal marker stands where a fill may: in code, or in a string of one line when it
    is no word and not `...`. Not in prose, which may be about markers."""
    marker = text[hole.start : hole.end]
    if in_comment(tree, text, language, hole.start + 1):
        return False
    if not in_string(tree, text, language, hole.start + 1):
        return True
    literal = next(
        (node for node in path_to(tree, hole.start + 1) if node.type in GRAMMARS[language].strings),
        None,
    )
    lines = literal is not None and literal.start_point.row != literal.end_point.row
    return not lines and marker != ELLIPSIS and not marker[0].isalnum()


def python_markers(
    tree: Tree, text: str, path: str, markers: Sequence[str], span: tuple[int, int]
) -> Iterator[Hole]:
    """`...` and `pass` where something is left to write: not in stubs, not where an empty class, an
    ignored exception, an abstract method or a required field is said with them."""
    if path.endswith(".pyi"):
        return
    for found in _PYTHON.finditer(text, *span):
        node = next(
            (
                node
                for node in path_to(tree, found.end())
                if (node.start_byte, node.end_byte) == found.span()
                and node.type in ("ellipsis", "pass_statement")
            ),
            None,
        )
        if node is None or found[0] not in markers:
            continue
        if _ellipsis_unfinished(node) if found[0] == ELLIPSIS else _body_unfinished(node):
            yield Hole(*found.span(), "marker")


def _ellipsis_unfinished(node: Node) -> bool:
    parent = node.parent
    if parent is None or parent.type == "expression_statement":
        return parent is not None and (_has_siblings(parent) or _body_unfinished(parent))
    above: Node | None = parent
    while above is not None and not above.type.endswith(("statement", "definition", "block")):
        if above.type in _MEANT_INSIDE:
            return False
        function = above.child_by_field_name("function") if above.type == "call" else None
        if function is not None and _CAPITAL_CALL.fullmatch(_source(function)):
            return False  # `Field(...)`: a value must be given
        if above.type == "assignment" and above.child_by_field_name("type") and _in_class(above):
            return False
        above = above.parent
    return True


def _body_unfinished(statement: Node) -> bool:
    """Whether a statement that does nothing is all there is of a body that should do something."""
    block = statement.parent
    if block is None or _has_siblings(statement):
        return False
    owner = block.parent
    if block.type == "module" or owner is None:
        return statement.type != "pass_statement"
    if owner.type != "function_definition":
        return owner.type not in _NO_CODE_WANTED
    decorated = owner.parent
    if decorated is not None and decorated.type == "decorated_definition":
        names = [child for child in decorated.children if child.type == "decorator"]
        if any(_ABSTRACT.search(_source(name)) for name in names):
            return False
    around = _class_around(owner)
    bases = around.child_by_field_name("superclasses") if around is not None else None
    return bases is None or not _PROTOCOL.search(_source(bases))


def _has_siblings(statement: Node) -> bool:
    """Whether its block has other statements, a docstring at its beginning aside."""
    others = [
        child
        for child in (statement.parent.named_children if statement.parent else ())
        if child != statement and child.type != "comment"
    ]
    if others and _is_docstring(others[0]):
        del others[0]
    return bool(others)


def _is_docstring(node: Node) -> bool:
    children = node.named_children
    return node.type == "expression_statement" and children[0].type in (
        "string",
        "concatenated_string",
    )


def _in_class(assignment: Node) -> bool:
    statement = assignment.parent
    block = statement.parent if statement is not None else None
    owner = block.parent if block is not None else None
    return owner is not None and owner.type == "class_definition"


def _class_around(function: Node) -> Node | None:
    node = function.parent
    while node is not None and node.type != "class_definition":
        if node.type == "function_definition":
            return None
        node = node.parent
    return node


def _source(node: Node) -> str:
    """As the parser has read it: names beyond ASCII are not themselves."""
    return (node.text or b"").decode("ascii", "replace")


def todos(
    tree: Tree, text: str, language: str, newline: str, span: tuple[int, int]
) -> Iterator[Hole]:
    """Behind a comment that begins with `TODO` and with which its block ends: the code it speaks of
    is not there yet. The comment stays, as what is to be done."""
    row = GRAMMARS[language]
    if not row.line_comment:
        return
    sign = re.escape(row.line_comment)
    comment = re.compile(rf"^([ \t]*){sign}[ \t]*TODO\b[^\r\n]*", re.MULTILINE)
    more = re.compile(rf"\r?\n[ \t]*{sign}[^\r\n]*")
    for found in comment.finditer(text, *span):
        if not in_comment(tree, text, language, found.end(1) + len(row.line_comment)):
            continue
        end = found.end()
        while following := more.match(text, end):
            end = following.end()
        if _block_ends(text, end, found[1], row.block_end):
            yield Hole(end, end, "marker", lead=newline + found[1])


def _block_ends(text: str, at: int, indent: str, block_end: str) -> bool:
    below = re.compile(r"\s*").match(text, at)
    start = below.end() if below else at
    if start == len(text):
        return True
    line_start, line_end = line_bounds(text, start)
    depth = len(text[line_start:start].expandtabs(4))
    line = text[start:line_end]
    closes = line.startswith((")", "]", "}")) or (block_end and line.split()[0] == block_end)
    return depth < len(indent.expandtabs(4)) or bool(closes)


@cache
def _pattern(marker: str) -> re.Pattern[str]:
    source = re.escape(marker)
    if marker != "name":
        source = source.replace("name", r"[^\r\n]{1,60}?")
    before = r"(?<!\w)" if marker[0].isalnum() else ""
    after = r"(?!\w)" if marker[-1].isalnum() else ""
    return re.compile(before + source + after)
