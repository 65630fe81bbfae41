"""How languages bind names: one table row per language, in the node types of its grammar.

Only languages in which a name is declared where it is first given a value, without its type. This file
never looks at a tree.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Bindings:
    """What we know of one language."""

    scopes: tuple[str, ...]
    """Functions and the like: nobody outside sees what is bound inside."""
    targets: Mapping[str, str]
    """Where a node binds names, by field."""
    binders: tuple[str, ...]
    """What binds every name in it."""
    definition: re.Pattern[str]
    """How an outermost statement begins whose own names stay inside of it."""
    names: tuple[str, ...] = ("identifier",)
    """What a name is, where it is read."""
    bound_names: tuple[str, ...] = ("identifier",)
    """What a name is, where it is bound."""
    not_bound: tuple[str, ...] = ()
    """Parts of targets that bind nothing."""
    blocks: tuple[str, ...] = ()
    """What is bound in one of these is not seen behind it."""
    unseen: tuple[str, ...] = ()
    """Scopes whose names are not seen in the scopes inside of them."""
    behind: tuple[str, ...] = ()
    """What binds its names only where it ends."""
    hoisted: tuple[str, ...] = ()
    """What binds its names in all of its scope."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Whose name in that field (empty: in any) is no variable, or seldom one."""
    ignored: tuple[str, ...] = ()
    """Parts in which nothing is a variable."""
    macros: tuple[str, ...] = ()
    """Bare tokens, of which only those are names that stand alone."""
    known: frozenset[str] = frozenset()
    """Names that are always bound."""
    modules: frozenset[str] = frozenset()
    """Names that in front of a dot are to be imported, and not here."""
    variable: re.Pattern[str] = re.compile(r"[a-z]\w*")
    """What names of local variables look like."""
    kept: str = ""
    changed: str = ""
    """The word that declares a name: one that stays as it is, one that is changed later."""
    older: str = ""
    """The word for both in older code."""
    several: str = ""
    """What follows that word where it declares several names at once."""
    seldom_first: tuple[str, ...] = ()
    """Names that stand behind the others there."""
    loop: str = ""
    """How a line begins that binds a name for deeper lines; empty: in too many ways."""
    nothing: tuple[str, str] = ("", "")
    """What stands for a statement, and for the first line of a block, where there must be one."""


_SCRIPT_SCOPES = (
    "function_declaration",
    "generator_function_declaration",
    "function_expression",
    "generator_function",
    "arrow_function",
    "method_definition",
    "class_static_block",
)
_SCRIPT = Bindings(
    scopes=_SCRIPT_SCOPES,
    targets={
        "variable_declarator": "name",
        "arrow_function": "parameter",
        "catch_clause": "parameter",
        "for_in_statement": "left",
        "function_declaration": "name",
        "generator_function_declaration": "name",
        "function_expression": "name",
        "class_declaration": "name",
        "enum_declaration": "name",
    },
    binders=("formal_parameters", "import_clause", "import_require_clause", "internal_module"),
    definition=re.compile(
        r"(?!import\b|export\s*\{|(?:export\s+)?(?:const|let|var)\s*[\[{]).*[{(\[]\s*$",
        re.MULTILINE,
    ),
    names=("identifier", "shorthand_property_identifier"),
    bound_names=("identifier", "shorthand_property_identifier_pattern", "type_identifier"),
    not_bound=("member_expression", "subscript_expression", "type_annotation"),
    blocks=("statement_block",),
    hoisted=("function_declaration", "generator_function_declaration", "class_declaration"),
    silent={
        "call_expression": "function",
        "new_expression": "constructor",
        "jsx_opening_element": "name",
        "jsx_closing_element": "name",
        "jsx_self_closing_element": "name",
    },
    known=frozenset(
        """let undefined arguments globalThis window self document console process require module
        exports global navigator location localStorage sessionStorage __dirname __filename define
        describe it test expect beforeEach afterEach assert jest sinon browser chrome""".split()  # noqa: SIM905
    ),
    kept="const",
    changed="let",
    older="var",
)

BINDINGS: dict[str, Bindings] = {
    "python": Bindings(
        scopes=("function_definition", "lambda", "class_definition"),
        targets={
            "assignment": "left",
            "for_statement": "left",
            "for_in_clause": "left",
            "named_expression": "name",
            "function_definition": "name",
            "class_definition": "name",
            "type_alias_statement": "left",
        },
        binders=(
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
        ),
        definition=re.compile(r"@|(?:async\s+)?def\b|class\b"),
        not_bound=("attribute", "subscript"),
        unseen=("class_definition",),
        behind=("assignment",),
        silent={"attribute": "attribute", "keyword_argument": "name", "call": "function"},
        known=frozenset((*dir(builtins), "self", "cls")),
        modules=sys.stdlib_module_names,
        loop="for {}",
        nothing=("pass", "if 0:"),
    ),
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "go": Bindings(
        scopes=("function_declaration", "method_declaration", "func_literal"),
        targets={
            "short_var_declaration": "left",
            "range_clause": "left",
            "receive_statement": "left",
            "type_switch_statement": "alias",
            "function_declaration": "name",
        },
        binders=("parameter_list", "var_spec", "const_spec", "import_spec"),
        definition=re.compile(r"func\b"),
        bound_names=("identifier", "package_identifier"),
        not_bound=("selector_expression", "index_expression"),
        blocks=("block",),
        hoisted=("function_declaration",),
        behind=("short_var_declaration",),
        silent={"call_expression": "function", "keyed_element": "key"},
        known=frozenset(["iota"]),
        seldom_first=("err", "ok"),
    ),
    "rust": Bindings(
        scopes=("function_item", "closure_expression"),
        targets={
            "let_declaration": "pattern",
            "let_condition": "pattern",
            "for_expression": "pattern",
            "match_arm": "pattern",
            "const_item": "name",
            "static_item": "name",
            "function_item": "name",
        },
        binders=("parameters", "closure_parameters", "use_declaration", "macro_definition"),
        definition=re.compile(r"(?!use\b|static\b|const\s+\w+:)"),
        bound_names=("identifier", "shorthand_field_identifier"),
        blocks=("block",),
        hoisted=("const_item", "static_item", "function_item", "use_declaration"),
        behind=("let_declaration",),
        silent={
            "call_expression": "function",
            "macro_invocation": "macro",
            "scoped_identifier": "",
            "scoped_type_identifier": "path",
            "generic_function": "function",
        },
        ignored=("attribute_item", "inner_attribute_item"),
        macros=("token_tree",),
        known=frozenset(
            ("as", "else", "for", "if", "in", "let", "match", "ref", "return", "static")
        ),
        kept="let",
        changed="let mut",
        several=" (",
    ),
}
