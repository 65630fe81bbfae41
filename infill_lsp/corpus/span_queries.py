"""Where a programmer leaves gaps, as tree-sitter queries: one per language, captures named by kind.

`statement`, `block` (the node of a body, braces included), `arguments` (parentheses included) and
`value`. `spans.py` trims what they capture.
"""

_SCRIPT = """
(program (_) @statement) (statement_block (_) @statement) (class_body (_) @statement)
(statement_block) @block (class_body) @block (switch_body) @block
(arguments) @arguments
(pair value: (_) @value) (variable_declarator value: (_) @value)
(assignment_expression right: (_) @value)
"""
_TYPED_SCRIPT = f"""{_SCRIPT}
(interface_body (_) @statement) (interface_body) @block
"""
_C = """
(translation_unit (_) @statement) (compound_statement (_) @statement)
(field_declaration_list (_) @statement)
(compound_statement) @block (field_declaration_list) @block (enumerator_list) @block
(call_expression arguments: (argument_list) @arguments)
(init_declarator value: (_) @value) (assignment_expression right: (_) @value)
(initializer_pair value: (_) @value) (enumerator value: (_) @value)
"""

QUERIES: dict[str, str] = {
    "python": """
        (module (_) @statement) (block (_) @statement)
        (block) @block
        (call arguments: (argument_list) @arguments)
        (keyword_argument value: (_) @value) (default_parameter value: (_) @value)
        (pair value: (_) @value) (assignment right: (_) @value)
    """,
    "javascript": _SCRIPT,
    "typescript": _TYPED_SCRIPT,
    "tsx": _TYPED_SCRIPT,
    "rust": """
        (source_file (_) @statement) (block (_) @statement) (declaration_list (_) @statement)
        (block) @block (declaration_list) @block (field_declaration_list) @block (match_block) @block
        (arguments) @arguments
        (let_declaration value: (_) @value) (field_initializer value: (_) @value)
        (const_item value: (_) @value) (assignment_expression right: (_) @value)
    """,
    "go": """
        (source_file (_) @statement) (statement_list (_) @statement)
        (block) @block (field_declaration_list) @block
        (call_expression arguments: (argument_list) @arguments)
        (keyed_element value: (_) @value) (short_var_declaration right: (_) @value)
        (const_spec value: (_) @value) (var_spec value: (_) @value)
        (assignment_statement right: (_) @value)
    """,
    "c": _C,
    "cpp": f"{_C} (declaration_list (_) @statement) (declaration_list) @block",
    "java": """
        (program (_) @statement) (block (_) @statement) (class_body (_) @statement)
        (interface_body (_) @statement) (constructor_body (_) @statement)
        (block) @block (class_body) @block (constructor_body) @block (interface_body) @block
        (argument_list) @arguments
        (variable_declarator value: (_) @value) (assignment_expression right: (_) @value)
        (element_value_pair value: (_) @value)
    """,
    "csharp": """
        (compilation_unit (_) @statement) (block (_) @statement) (declaration_list (_) @statement)
        (block) @block (declaration_list) @block (accessor_list) @block
        (argument_list) @arguments
        (assignment_expression right: (_) @value)
    """,
    "ruby": """
        (program (_) @statement) (body_statement (_) @statement) (block_body (_) @statement)
        (then (_) @statement)
        (body_statement) @block (block_body) @block (then) @block
        (argument_list) @arguments
        (pair value: (_) @value) (assignment right: (_) @value)
    """,
    "php": """
        (program (_) @statement) (compound_statement (_) @statement)
        (declaration_list (_) @statement)
        (compound_statement) @block (declaration_list) @block
        (arguments) @arguments
        (assignment_expression right: (_) @value)
    """,
    "bash": """
        (program (_) @statement) (compound_statement (_) @statement) (do_group (_) @statement)
        (if_statement (_) @statement)
        (compound_statement) @block
        (variable_assignment value: (_) @value)
    """,
    "lua": """
        (chunk (_) @statement) (block (_) @statement)
        (block) @block
        (arguments) @arguments
        (field value: (_) @value)
        (assignment_statement (expression_list) @value)
    """,
    "sql": "(program (statement) @statement) (literal) @value",
    "json": "(pair value: (_) @value)",
    "yaml": "(block_mapping_pair value: (flow_node) @value) (block_sequence_item (flow_node) @value)",
    "toml": "(pair (_) (_) @value)",
    "html": "(attribute_value) @value",
    "css": """
        (stylesheet (_) @statement) (block (_) @statement)
        (block) @block
        (declaration (property_name) (_) @value)
    """,
}
