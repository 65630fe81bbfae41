"""What `gather` finds around a gap, and that it finds it quickly in a long file."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.context import Context, gather
from infill_lsp.documents import Change, Document

SAMPLES = Path(__file__).parents[2] / "fixtures" / "languages"


def at(name: str, marked: str, language_id: str = "") -> Context:
    parts = marked.split("‸")
    snapshot = Document(f"file:///{name}", "".join(parts), language_id=language_id).snapshot()
    start = len(parts[0])
    return gather(snapshot, start, end=start + len(parts[1]) if len(parts) == 3 else None)


def test_text_on_both_sides() -> None:
    context = at("a.py", "import os\r\n\r\ndef f(x):\r\n\tif x:\r\n\t\treturn [‸]\r\n")
    assert context.prefix.endswith("\treturn [")
    assert context.suffix == "]\r\n"
    assert (context.line_prefix, context.line_suffix) == ("\t\treturn [", "]")
    assert (context.indent, context.indent_unit, context.newline) == ("\t\t", "\t", "\r\n")
    assert context.imports == ("import os",)
    assert [scope.name for scope in context.scopes] == ["f"]
    assert (context.language, context.path) == ("python", "a.py")


def test_a_range_is_replaced() -> None:
    context = at("a.py", "x = ‸old + 1‸  # one\ny = 2\n")
    assert (context.prefix, context.suffix) == ("x = ", "  # one\ny = 2\n")
    assert (context.line_prefix, context.line_suffix) == ("x = ", "  # one")
    across = at("a.py", "x = ‸1\ny =‸ 2\n")
    assert (across.line_prefix, across.line_suffix) == ("x = ", " 2")


@given(st.text("ab\r\n é😀", max_size=40), st.data())
def test_prefix_and_suffix_are_the_document(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    context = gather(Document("file:///a.py", text).snapshot(), start, end=end)
    suffix = context.suffix
    if context.own_lines:  # a blank line is opened for the fill
        assert suffix.startswith(context.newline)
        suffix = suffix.removeprefix(context.newline)
    assert context.prefix + text[start:end] + suffix == text
    assert context.prefix.endswith(context.line_prefix)
    assert context.suffix.startswith(context.line_suffix)
    assert not {"\n", "\r"} & set(context.line_prefix + context.line_suffix)


@pytest.mark.parametrize(
    ("name", "marked", "rest"),
    [
        ("a.py", "def f(l):\n‸n l if e > 0]\n", True),
        ("a.py", "def f(l):\n    a = 1\n‸n a\n", True),
        ("a.js", "function f(a) {\n  g();\n‸urn a + b);\n}\n", True),
        ("a.js", "function f(a) {\n  g();\n‸return a;\n}\n", False),  # nothing is wrong with it
        ("a.py", "def f(l):\n    a = (\n‸def g():\n    pass\n", False),  # a definition
        ("a.py", "def f(l):\n    if l:\n‸    else:\n        pass\n", False),  # indented
        ("a.js", "const a = {\n  b: [\n‸};\n", False),  # closes what is above
        ("a.py", "def f(l):\n    b = 1\n‸ for c in l)\n    return b\n", True),  # at no level
        ("a.py", "class A(B):\n    b = 1\n‸:\n    c: int\n", True),  # a name is missing
        ("a.py", "a = 1\n‸n a\n", False),  # at the margin, like what is above
    ],
)
def test_the_rest_of_a_line_gets_no_line_break_before_it(
    name: str, marked: str, rest: bool
) -> None:
    context = at(name, marked)
    assert context.own_lines is not rest
    assert bool(context.line_suffix) is rest


@pytest.mark.parametrize(("start", "end"), [(-1, None), (4, None), (2, 1), (0, 9)])
def test_a_gap_outside_the_text_is_refused(start: int, end: int | None) -> None:
    with pytest.raises(ValueError, match="not inside the text of 3 characters"):
        gather(Document("file:///a.py", "abc").snapshot(), start, end=end)


@pytest.mark.parametrize(
    ("name", "marked", "single"),
    [
        ("a.py", "def f():\n    ‸\n", False),
        ("a.py", "def f():‸\n", False),
        ("a.py", "def f(‸\n", True),
        ("a.py", "def f‸\n", False),
        ("a.py", "for x in ‸\n", False),
        ("a.py", "x = ‸\n", True),
        ("a.py", "return ‸\n", True),
        ("a.py", "x = y‸ + 1\n", True),
        ("a.py", "print(‸)\n", False),
        ("a.py", "print(a, ‸)\n", True),
        ("a.py", "prin‸\n", True),
        ("a.py", "x = 'ab‸'\n", True),
        ("a.py", "x = 'ab‸\n", True),
        ("a.py", 'x = """ab‸"""\n', False),
        ("a.py", "# abc ‸\n", True),
        ("a.js", "foo(function () {‸})\n", False),
        ("a.js", "if (a) {‸\n}\n", False),
        ("a.js", "/* a\n ‸ */\n", False),
        ("a.js", "// a ‸\n", True),
        ("a.rb", "items.each do |item|‸\nend\n", False),
        ("a.txt", "Dear ‸\n", True),
        ("a.txt", "Dear Ann,\n‸\n", False),
    ],
)
def test_one_line_or_several(name: str, marked: str, single: bool) -> None:
    assert at(name, marked).single_line is single


@pytest.mark.parametrize(
    ("name", "marked", "string", "comment"),
    [
        ("a.py", "x = 'ab‸\ny = 1\n", True, False),
        ("a.py", "x = foo('ab‸)\n", True, False),
        ("a.py", "x = (# ab‸\n", False, True),
        ("a.py", "x = (ab‸\n", False, False),
        ("a.js", 'const x = ["a", "b‸\n', True, False),
        ("a.rs", "fn f<'a>(x: &'a ‸\n", False, False),
    ],
)
def test_strings_and_comments_of_unfinished_code(
    name: str, marked: str, string: bool, comment: bool
) -> None:
    context = at(name, marked)
    assert (context.in_string, context.in_comment) == (string, comment)


@pytest.mark.parametrize(
    ("marked", "quiet"),
    [
        ("val‸ue = 1\n", "the cursor is inside a word"),
        ("value‸ + another_value\n", "the line goes on to the right of the cursor"),
        ("f(a)‸ + another_value\n", "the line goes on to the right of the cursor"),
        ("f(‸, timeout=30)\n", None),
        ("x = ‸ + another_value\n", None),
        ("value‸)]\n", None),
        ("value‸ + b\n", None),
        ("val‸ue‸ = 1\n", None),
        ("‸\n", None),
        ("s = 'some ‸ words in a text'\n", None),
    ],
)
def test_when_to_be_quiet(marked: str, quiet: str | None) -> None:
    assert at("a.py", marked).quiet == quiet


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("a:\n  b:\n    c\n  d\n", "  "),
        ("a:\n    b:\n        c\n", "    "),
        ("a:\n\tb\n", "\t"),
        ("a\nb\n", "  "),
        ("/*\n * a\n * b\n */\nf() {\n  a;\n  g() {\n    b;\n  }\n  c;\n}\n", "  "),
    ],
)
def test_indent_unit(text: str, unit: str) -> None:
    assert at("a.js", text + "‸").indent_unit == unit


def test_plain_text_has_a_context_too() -> None:
    context = at("notes.txt", "one (two‸ three\n", "markdown")
    assert (context.language, context.scopes, context.imports) == ("markdown", (), ())
    assert not context.in_string


def long_file(lines: int) -> str:
    body = (SAMPLES / "sample.py").read_text().replace("import", "import  ", 1)
    return (body * (lines // body.count("\n") + 1))[: 40 * lines]


def test_a_keystroke_and_its_context_at_20000_lines_cost_less_than_5_milliseconds() -> None:
    document = Document("file:///a.py", "\n".join(long_file(30_000).split("\n")[:20_000]))
    assert document.text.count("\n") == 19_999
    times = []
    for turn in range(60):
        line = (turn * 337) % 19_000
        began = time.process_time()
        document.apply([Change("y" if turn % 3 else "(", ((line, 4), (line, 4)))], turn)
        snapshot = document.snapshot()
        context = gather(snapshot, snapshot.offset_at(line, 5))
        times.append(time.process_time() - began)
        assert context.line_prefix
    assert statistics.median(times) < 5e-3
