"""What is known of each language: its grammar's wheel, what its node types are called, its delimiters.

One row per language; more of them in `more_languages`. Node types are the grammar's own names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delimited:
    """A kind of string or comment, for the simple scan that works on unfinished code."""

    open: str
    close: str
    lines: bool = False
    """It may go on over line breaks."""
    comment: bool = False


@dataclass(frozen=True, slots=True)
class Grammar:
    """What we know of one language. Node types are the grammar's own names."""

    package: str
    """The wheel, e.g. `tree-sitter-python`."""
    ids: tuple[str, ...]
    """The editors' language ids."""
    suffixes: tuple[str, ...]
    file_names: tuple[str, ...] = ()
    function: str = "language"
    """The function of the wheel's module that gives the grammar."""
    strings: tuple[str, ...] = ()
    interpolations: tuple[str, ...] = ()
    """Code inside strings."""
    comments: tuple[str, ...] = ("comment",)
    imports: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    """Classes, functions and the like: what a reader would name to say where they are."""
    bodies: tuple[str, ...] = ()
    indented: bool = False
    """Blocks are made by indentation, not by brackets or words."""
    suites: tuple[str, ...] = ()
    """Blocks whose statements must begin in one column, which the grammar does not see to."""
    line_comment: str = ""
    delimiters: tuple[Delimited, ...] = ()
    """In the order in which they are tried."""
    characters: bool = False
    """A single quote begins a character, not a string (and may be something else, e.g. `'a`)."""
    brackets: str = "()[]{}"
    """Pairs that must balance; empty where prose makes that meaningless."""
    block_end: str = ""
    """The word that closes a block, e.g. `end`."""
    header: str = ""
    """A line, as a regular expression, under which a block stands though it ends like any other."""
    prose: bool = False
    """The grammar takes any text, so it says nothing of whether a fill is right."""

    @property
    def module(self) -> str:
        return self.package.replace("-", "_")


SLASHES = (Delimited("//", "\n", comment=True), Delimited("/*", "*/", lines=True, comment=True))
HASH = (Delimited("#", "\n", comment=True),)
DOUBLE = Delimited('"', '"')
SINGLE = Delimited("'", "'")

_SCRIPT_SCOPES = (
    "class_declaration",
    "class",
    "function_declaration",
    "generator_function_declaration",
    "function_expression",
    "method_definition",
)
_SCRIPT_BODIES = ("statement_block", "class_body", "switch_body")
_SCRIPT_DELIMITERS = (*SLASHES, DOUBLE, SINGLE, Delimited("`", "`", lines=True))
_TYPE_SCOPES = (
    *_SCRIPT_SCOPES,
    "abstract_class_declaration",
    "interface_declaration",
    "enum_declaration",
    "internal_module",
    "module",
)
_TYPE_BODIES = (*_SCRIPT_BODIES, "interface_body", "enum_body", "object_type")
_C_STRINGS = ("string_literal", "char_literal", "system_lib_string", "raw_string_literal")
_C_BODIES = ("compound_statement", "field_declaration_list", "enumerator_list", "declaration_list")

LANGUAGES: dict[str, Grammar] = {
    "python": Grammar(
        package="tree-sitter-python",
        ids=("python",),
        suffixes=(".py", ".pyi", ".pyw"),
        strings=("string",),
        interpolations=("interpolation",),
        imports=("import_statement", "import_from_statement", "future_import_statement"),
        scopes=("class_definition", "function_definition"),
        bodies=("block",),
        indented=True,
        suites=("module", "block"),
        line_comment="#",
        delimiters=(
            Delimited('"""', '"""', lines=True),
            Delimited("'''", "'''", lines=True),
            *HASH,
            DOUBLE,
            SINGLE,
        ),
    ),
    "javascript": Grammar(
        package="tree-sitter-javascript",
        ids=("javascript", "javascriptreact"),
        suffixes=(".js", ".jsx", ".mjs", ".cjs"),
        strings=("string", "template_string"),
        interpolations=("template_substitution",),
        imports=("import_statement",),
        scopes=_SCRIPT_SCOPES,
        bodies=_SCRIPT_BODIES,
        line_comment="//",
        delimiters=_SCRIPT_DELIMITERS,
    ),
    "typescript": Grammar(
        package="tree-sitter-typescript",
        function="language_typescript",
        ids=("typescript",),
        suffixes=(".ts", ".mts", ".cts"),
        strings=("string", "template_string"),
        interpolations=("template_substitution",),
        imports=("import_statement",),
        scopes=_TYPE_SCOPES,
        bodies=_TYPE_BODIES,
        line_comment="//",
        delimiters=_SCRIPT_DELIMITERS,
    ),
    "tsx": Grammar(
        package="tree-sitter-typescript",
        function="language_tsx",
        ids=("typescriptreact",),
        suffixes=(".tsx",),
        strings=("string", "template_string"),
        interpolations=("template_substitution",),
        imports=("import_statement",),
        scopes=_TYPE_SCOPES,
        bodies=_TYPE_BODIES,
        line_comment="//",
        delimiters=_SCRIPT_DELIMITERS,
    ),
    "rust": Grammar(
        package="tree-sitter-rust",
        ids=("rust",),
        suffixes=(".rs",),
        strings=("string_literal", "raw_string_literal", "char_literal"),
        comments=("line_comment", "block_comment"),
        imports=("use_declaration",),
        scopes=(
            "function_item",
            "impl_item",
            "trait_item",
            "struct_item",
            "enum_item",
            "mod_item",
        ),
        bodies=("block", "declaration_list", "field_declaration_list", "match_block"),
        line_comment="//",
        delimiters=(*SLASHES, Delimited('"', '"', lines=True)),
        characters=True,
    ),
    "go": Grammar(
        package="tree-sitter-go",
        ids=("go",),
        suffixes=(".go",),
        strings=("interpreted_string_literal", "raw_string_literal", "rune_literal"),
        imports=("import_declaration",),
        scopes=("function_declaration", "method_declaration", "type_declaration"),
        bodies=("block", "field_declaration_list"),
        line_comment="//",
        delimiters=(*SLASHES, DOUBLE, Delimited("`", "`", lines=True)),
        characters=True,
    ),
    "c": Grammar(
        package="tree-sitter-c",
        ids=("c",),
        suffixes=(".c", ".h"),
        strings=_C_STRINGS,
        imports=("preproc_include",),
        scopes=("function_definition", "struct_specifier", "enum_specifier"),
        bodies=_C_BODIES,
        line_comment="//",
        delimiters=(*SLASHES, DOUBLE),
        characters=True,
    ),
    "cpp": Grammar(
        package="tree-sitter-cpp",
        ids=("cpp", "c++", "cuda-cpp", "cuda"),
        suffixes=(".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".ipp", ".cu", ".cuh"),
        strings=_C_STRINGS,
        imports=("preproc_include", "using_declaration"),
        scopes=(
            "function_definition",
            "class_specifier",
            "struct_specifier",
            "enum_specifier",
            "namespace_definition",
        ),
        bodies=_C_BODIES,
        line_comment="//",
        delimiters=(*SLASHES, DOUBLE),
        characters=True,
    ),
    "java": Grammar(
        package="tree-sitter-java",
        ids=("java",),
        suffixes=(".java",),
        strings=("string_literal", "character_literal"),
        interpolations=("string_interpolation",),
        comments=("line_comment", "block_comment"),
        imports=("import_declaration", "package_declaration"),
        scopes=(
            "class_declaration",
            "interface_declaration",
            "enum_declaration",
            "record_declaration",
            "method_declaration",
            "constructor_declaration",
        ),
        bodies=("block", "class_body", "interface_body", "enum_body", "constructor_body"),
        line_comment="//",
        delimiters=(*SLASHES, Delimited('"""', '"""', lines=True), DOUBLE),
        characters=True,
    ),
    "csharp": Grammar(
        package="tree-sitter-c-sharp",
        ids=("csharp", "cs"),
        suffixes=(".cs", ".csx"),
        strings=(
            "string_literal",
            "verbatim_string_literal",
            "raw_string_literal",
            "interpolated_string_expression",
            "character_literal",
        ),
        interpolations=("interpolation",),
        imports=("using_directive",),
        scopes=(
            "namespace_declaration",
            "class_declaration",
            "interface_declaration",
            "struct_declaration",
            "record_declaration",
            "enum_declaration",
            "method_declaration",
            "constructor_declaration",
            "property_declaration",
            "local_function_statement",
        ),
        bodies=("block", "declaration_list", "enum_member_declaration_list", "accessor_list"),
        line_comment="//",
        delimiters=(*SLASHES, Delimited('"""', '"""', lines=True), DOUBLE),
        characters=True,
    ),
    "ruby": Grammar(
        package="tree-sitter-ruby",
        ids=("ruby",),
        suffixes=(".rb", ".rake", ".gemspec"),
        file_names=("Rakefile", "Gemfile"),
        strings=("string", "regex", "subshell", "heredoc_body", "string_array"),
        interpolations=("interpolation",),
        imports=(),
        scopes=("module", "class", "singleton_class", "method", "singleton_method"),
        bodies=("body_statement", "block_body"),
        line_comment="#",
        delimiters=(DOUBLE, SINGLE, *HASH),
        block_end="end",
    ),
    "php": Grammar(
        package="tree-sitter-php",
        function="language_php",
        ids=("php",),
        suffixes=(".php", ".phtml"),
        strings=("string", "encapsed_string", "heredoc_body", "nowdoc_body"),
        imports=("namespace_use_declaration", "namespace_definition"),
        scopes=(
            "class_declaration",
            "interface_declaration",
            "trait_declaration",
            "enum_declaration",
            "method_declaration",
            "function_definition",
        ),
        bodies=("compound_statement", "declaration_list", "enum_declaration_list"),
        line_comment="//",
        delimiters=(*SLASHES, *HASH, DOUBLE, SINGLE),
    ),
    "bash": Grammar(
        package="tree-sitter-bash",
        ids=("shellscript", "bash", "sh", "zsh"),
        suffixes=(".sh", ".bash", ".zsh", ".ksh"),
        file_names=(".bashrc", ".bash_profile", ".profile", ".zshrc"),
        strings=("string", "raw_string", "ansi_c_string", "heredoc_body"),
        interpolations=("command_substitution", "expansion"),
        scopes=("function_definition",),
        bodies=("compound_statement", "do_group"),
        line_comment="#",
        # `$#` and `${#x}` are no comments: a comment's hash follows white space.
        delimiters=(DOUBLE, SINGLE, Delimited(" #", "\n", comment=True)),
        brackets="{}",  # `case` has closing parentheses without opening ones
    ),
    "lua": Grammar(
        package="tree-sitter-lua",
        ids=("lua",),
        suffixes=(".lua",),
        strings=("string",),
        scopes=("function_declaration", "function_definition"),
        bodies=("block",),
        line_comment="--",
        delimiters=(
            Delimited("--[[", "]]", lines=True, comment=True),
            Delimited("--", "\n", comment=True),
            Delimited("[[", "]]", lines=True),
            DOUBLE,
            SINGLE,
        ),
        block_end="end",
    ),
    "sql": Grammar(
        package="tree-sitter-sql",
        ids=("sql", "mysql", "postgres", "plsql"),
        suffixes=(".sql",),
        strings=("literal",),
        comments=("comment", "marginalia"),
        scopes=("create_table", "create_view", "create_function", "create_query"),
        bodies=("column_definitions", "function_body"),
        line_comment="--",
        delimiters=(
            Delimited("--", "\n", comment=True),
            Delimited("/*", "*/", lines=True, comment=True),
            SINGLE,
            DOUBLE,
        ),
        brackets="()",
    ),
    "json": Grammar(
        package="tree-sitter-json",
        ids=("json", "jsonc", "jsonl"),
        suffixes=(".json", ".jsonc", ".jsonl", ".geojson"),
        strings=("string",),
        scopes=("pair",),
        bodies=("object", "array"),
        delimiters=(DOUBLE, *SLASHES),
        brackets="[]{}",
    ),
    "yaml": Grammar(
        package="tree-sitter-yaml",
        ids=("yaml", "dockercompose", "github-actions-workflow"),
        suffixes=(".yaml", ".yml"),
        strings=("double_quote_scalar", "single_quote_scalar", "block_scalar"),
        scopes=("block_mapping_pair",),
        bodies=("block_node",),
        indented=True,
        line_comment="#",
        delimiters=(DOUBLE, Delimited(" #", "\n", comment=True)),
        brackets="[]{}",
    ),
    "toml": Grammar(
        package="tree-sitter-toml",
        ids=("toml",),
        suffixes=(".toml",),
        file_names=("Cargo.lock", "poetry.lock", "uv.lock"),
        strings=("string",),
        scopes=("table", "table_array_element"),
        line_comment="#",
        delimiters=(
            Delimited('"""', '"""', lines=True),
            Delimited("'''", "'''", lines=True),
            *HASH,
            DOUBLE,
            SINGLE,
        ),
        brackets="[]{}",
    ),
    "html": Grammar(
        package="tree-sitter-html",
        ids=("html", "vue"),
        suffixes=(".html", ".htm", ".xhtml", ".vue"),
        strings=("quoted_attribute_value",),
        scopes=("element", "script_element", "style_element"),
        delimiters=(Delimited("<!--", "-->", lines=True, comment=True), DOUBLE),
        brackets="",
    ),
    "css": Grammar(
        package="tree-sitter-css",
        ids=("css",),
        suffixes=(".css",),
        strings=("string_value",),
        comments=("comment", "js_comment"),
        imports=("import_statement",),
        scopes=("rule_set", "media_statement"),
        bodies=("block",),
        delimiters=(Delimited("/*", "*/", lines=True, comment=True), DOUBLE, SINGLE),
    ),
}
