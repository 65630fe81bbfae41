"""Spans have exactly the text that a programmer would leave out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infill_lsp.corpus.span_queries import QUERIES
from infill_lsp.corpus.spans import KINDS, MAX_CHARACTERS, MAX_SPANS, find_spans
from infill_lsp.grammars import GRAMMARS, parser_for


def texts(source: str, language: str, kind: str) -> list[str]:
    return [source[start:end] for start, end in find_spans(source, language).get(kind, [])]


PYTHON = """\
import os


def area(width, height=3):  # é
    # both in metres

    size = scale(width * height, by=2)
    if size > 9:
        return None  # too big
    return size
"""


def test_python() -> None:
    body = (
        "    # both in metres\n\n    size = scale(width * height, by=2)\n"
        "    if size > 9:\n        return None  # too big\n    return size"
    )
    assert texts(PYTHON, "python", "statement") == [
        "import os",
        PYTHON[PYTHON.index("def") : -1],
        "size = scale(width * height, by=2)",
        "if size > 9:\n        return None  # too big",
        "return None",
        "return size",
    ]
    assert texts(PYTHON, "python", "block") == [body, "        return None  # too big"]
    assert texts(PYTHON, "python", "arguments") == ["width * height, by=2"]
    assert texts(PYTHON, "python", "value") == ["3", "scale(width * height, by=2)", "2"]


@pytest.mark.parametrize(
    ("language", "source", "expected"),
    [
        (
            "javascript",
            "const size = area(3, [4]);\nfunction f() {\n  go();\n}\n",
            {
                "statement": ["const size = area(3, [4]);", "function f() {\n  go();\n}", "go();"],
                "block": ["\n  go();\n"],
                "arguments": ["3, [4]"],
                "value": ["area(3, [4])"],
            },
        ),
        (
            "rust",
            "fn f() -> u8 {\n    let size = area(3);\n    size\n}\n",
            {
                "statement": [
                    "fn f() -> u8 {\n    let size = area(3);\n    size\n}",
                    "let size = area(3);",
                    "size",
                ],
                "block": ["\n    let size = area(3);\n    size\n"],
                "arguments": ["3"],
                "value": ["area(3)"],
            },
        ),
        (
            "go",
            "func f() {\n\tsize := area(3)\n}\n",
            {
                "statement": ["func f() {\n\tsize := area(3)\n}", "size := area(3)"],
                "block": ["\n\tsize := area(3)\n"],
                "arguments": ["3"],
                "value": ["area(3)"],
            },
        ),
        (
            "c",
            "int f(void) {\n    int size = 3;\n    return g(size);\n}\n",
            {
                "statement": [
                    "int f(void) {\n    int size = 3;\n    return g(size);\n}",
                    "int size = 3;",
                    "return g(size);",
                ],
                "block": ["\n    int size = 3;\n    return g(size);\n"],
                "arguments": ["size"],
                "value": ["3"],
            },
        ),
        (
            "java",
            "class A {\n  int size = area(3);\n}\n",
            {
                "statement": ["class A {\n  int size = area(3);\n}", "int size = area(3);"],
                "block": ["\n  int size = area(3);\n"],
                "arguments": ["3"],
                "value": ["area(3)"],
            },
        ),
        ("json", '{"name": "shop", "ports": [80, 443]}', {"value": ['"shop"', "[80, 443]"]}),
        ("yaml", "name: shop # x\nports:\n  - 80\n", {"value": ["shop", "80"]}),
        ("toml", 'name = "shop"\nsize = 3\n', {"value": ['"shop"', "3"]}),
        (
            "sql",
            "SELECT name FROM shops WHERE size > 3;\n",
            {"statement": ["SELECT name FROM shops WHERE size > 3;"], "value": ["3"]},
        ),
    ],
)
def test_exact_spans(language: str, source: str, expected: dict[str, list[str]]) -> None:
    found = find_spans(source, language)
    assert {kind: texts(source, language, kind) for kind in found} == expected


def test_a_body_on_its_headers_line_is_no_block() -> None:
    assert texts("if a: b()\n", "python", "block") == []


def test_empty_bodies_and_arguments_are_no_spans() -> None:
    assert texts("void f() { }\nvoid g() { h(); }", "c", "block") == [" h(); "]
    assert texts("void f() { }\nvoid g() { h( ); }", "c", "arguments") == []


def test_what_does_not_parse_is_left_out() -> None:
    assert texts("a = f(1,, 2)\nb = g(3, 4)\n", "python", "value") == ["g(3, 4)"]


def test_long_spans_are_left_out() -> None:
    source = f"a = '{'x' * MAX_CHARACTERS}'\nb = '{'x' * (MAX_CHARACTERS - 2)}'\n"
    assert len(texts(source, "python", "value")) == 1


def test_of_many_spans_some_are_taken_all_over_the_text() -> None:
    found = find_spans("".join(f"a{number} = {number}\n" for number in range(1000)), "python")
    for kind in ("statement", "value"):
        assert len(found[kind]) == MAX_SPANS
        assert found[kind][-1][0] > 9000


def test_every_query_fits_its_grammar() -> None:
    assert len(QUERIES) >= 20
    for language in QUERIES:
        assert language in GRAMMARS
        find_spans("", language)


@settings(max_examples=60, deadline=None)
@given(st.text("a1 =\n:(){}é\U0001f600\"'#,;", max_size=80), st.sampled_from(sorted(GRAMMARS)))
def test_spans_lie_in_any_text(source: str, language: str) -> None:
    for kind, spans in find_spans(source, language).items():
        assert kind in KINDS
        assert spans == sorted(spans)
        for start, end in spans:
            assert 0 <= start < end <= len(source)
            assert source[start:end].strip()


@settings(max_examples=60, deadline=None)
@given(st.text("aé\u2028\U0001f600", max_size=8), st.text("bé\U0001f600", min_size=1, max_size=8))
def test_offsets_are_code_points(before: str, word: str) -> None:
    """Against the slow way: decode the bytes before."""
    source = f"x = '{before}'\ny = f('{word}')\n"
    (start, end) = find_spans(source, "python")["arguments"][0]
    parser = parser_for("python")
    assert parser is not None
    encoded = source.encode()
    at = encoded.index(b"f('") + 2
    assert start == len(encoded[:at].decode())
    assert source[start:end] == f"'{word}'"
