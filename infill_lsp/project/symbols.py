"""What a source file defines: its classes, functions and their members, each with its signature.

By tree-sitter queries over the node types of `grammars`; what is local to a function is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from tree_sitter import Language, Query, QueryCursor, Tree

from infill_lsp.grammars import GRAMMARS, parser_for
from infill_lsp.syntax import scope_of

DATA = frozenset({"json", "yaml", "toml", "html", "css", "scss", "xml", "svelte", "markdown"})
"""Languages whose scopes are no definitions that other files use."""
LONGEST_MEMBER = 120
"""Characters of a field's or a constant's line."""

_TYPES = re.compile("class|struct|interface|trait|enum|impl|mod|namespace|record|table|type_decl")
_SPACE = re.compile(r"\s+")
_NAME = re.compile(r"(?:[A-Za-z_]\w*(?:\.|::?))*([A-Za-z_]\w*)")
_SCRIPT_MEMBERS = """
    (program (lexical_declaration (variable_declarator) @member))
    (export_statement (lexical_declaration (variable_declarator) @member))
"""
_TYPE_MEMBERS = (
    _SCRIPT_MEMBERS
    + """
    (public_field_definition) @member
    (property_signature) @member
    (method_signature) @member
    (type_alias_declaration) @member
"""
)
_MEMBERS = {
    "python": """
        (module (expression_statement (assignment left: (identifier)) @member))
        (class_definition
          body: (block (expression_statement (assignment left: (identifier)) @member)))
    """,
    "javascript": _SCRIPT_MEMBERS,
    "typescript": _TYPE_MEMBERS,
    "tsx": _TYPE_MEMBERS,
    "go": "(source_file (const_declaration (const_spec) @member)) (field_declaration) @member",
    "rust": "(field_declaration) @member (const_item) @member",
    "java": "(field_declaration) @member",
    "csharp": "(field_declaration) @member",
    "c": "(field_declaration) @member (declaration (function_declarator)) @member",
    "cpp": "(field_declaration) @member (declaration (function_declarator)) @member",
}


@dataclass(frozen=True, slots=True)
class Symbol:
    """One definition."""

    name: str
    owner: str
    """The class or the like it belongs to; empty at the top level."""
    signature: str
    """Its source up to the body, on one line."""
    line: int
    """From 0."""


def symbols_in(tree: Tree, text: str, language: str) -> tuple[Symbol, ...]:
    """The definitions of a text, in order."""
    query = _query(language)
    if query is None:
        return ()
    row = GRAMMARS[language]
    captures = QueryCursor(query).captures(tree.root_node)
    nodes = [(node.start_byte, -node.end_byte, "scope", node) for node in captures.get("scope", [])]
    nodes += [
        (node.start_byte, -node.end_byte, "member", node) for node in captures.get("member", [])
    ]
    found: list[Symbol] = []
    around: list[tuple[int, str]] = []  # end and name; no name: what is inside is local
    for start, negative_end, kind, node in sorted(nodes, key=lambda entry: entry[:3]):
        while around and around[-1][0] <= start:
            around.pop()
        local = bool(around) and not around[-1][1]
        owner = around[-1][1] if around else ""
        if kind == "member":
            if not local:
                shown = text[start:-negative_end].partition("\n")[0][:LONGEST_MEMBER].rstrip()
                left = node.child_by_field_name("left")
                name = text[left.start_byte : left.end_byte] if left else ""
                name = name or scope_of(node, text, row).name or shown
                found.append(Symbol(_plain(name), owner, shown, node.start_point.row))
            continue
        scope = scope_of(node, text, row)
        name = _plain(scope.name)
        is_type = _TYPES.search(node.type) is not None
        around.append((-negative_end, name if is_type and not local else ""))
        if not local and "impl" not in node.type:
            signature = _SPACE.sub(" ", scope.header)
            found.append(Symbol(name, owner, signature, node.start_point.row))
    return tuple(symbol for symbol in found if symbol.name)


def _plain(name: str) -> str:
    """`Counts<'a>` -> `Counts`, `Stack:push` -> `push`, `x: int = 3` -> `x`."""
    found = _NAME.search(name)
    return found[1] if found else ""


@cache
def _query(language: str) -> Query | None:
    """What to look for in a language; None where nothing is defined or the grammar is missing."""
    defines = language in GRAMMARS and GRAMMARS[language].scopes and language not in DATA
    parser = parser_for(language) if defines else None
    if parser is None or not isinstance(parser.language, Language):
        return None
    scopes = " ".join(f"({kind})" for kind in GRAMMARS[language].scopes)
    return Query(parser.language, f"[{scopes}] @scope {_MEMBERS.get(language, '')}")
