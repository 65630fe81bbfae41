"""Which holes a text has. In the cases `⟦…⟧` stands around each; before one in which nothing stands
yet come the line break and the indentation that its fill would bring, and `⟦+x⟧` is a missing `x`."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.edits import Edit, applied
from infill_lsp.excerpt import excerpt
from infill_lsp.holes import Hole, find_holes
from infill_lsp.settings import Settings

MARKERS = Settings().hole_markers


def marked(text: str, language: str | None, path: str = "", **options: object) -> str:
    holes = find_holes(text, language, markers=MARKERS, path=path, **options)  # type: ignore[arg-type]
    return applied(
        text,
        [
            Edit(hole.start, hole.end, f"{hole.lead}⟦{_shown(hole, text)}⟧{hole.trail}")
            for hole in holes
        ],
    )


def _shown(hole: Hole, text: str) -> str:
    return "+" + hole.known if hole.known else text[hole.start : hole.end].strip()


CASES = {
    "python: a function of `...`": ("python", "def f():\n    ⟦...⟧\n"),
    "python: on the header's line": ("python", "def f(): ⟦pass⟧\n"),
    "python: after a docstring": ("python", 'def f():\n    """Say."""\n    ⟦pass⟧\n'),
    "python: after a comment": ("python", "def f():\n    # how\n    ⟦pass⟧\n"),
    "python: among statements": ("python", "def f():\n    a = 1\n    ⟦...⟧\n    return a\n"),
    "python: pass among statements": ("python", "def f():\n    a = 1\n    pass\n"),
    "python: a value": ("python", "total = ⟦...⟧\n"),
    "python: a part of a value": ("python", "total = 1 + ⟦...⟧\n"),
    "python: an argument": ("python", "total = add(1, ⟦...⟧)\n"),
    "python: a return": ("python", "def f():\n    return ⟦...⟧\n"),
    "python: a branch": ("python", "if a:\n    ⟦pass⟧\nelse:\n    ⟦...⟧\n"),
    "python: an empty exception": ("python", "class Wrong(Exception):\n    pass\n"),
    "python: an ignored exception": ("python", "try:\n    f()\nexcept KeyError:\n    pass\n"),
    "python: waiting": ("python", "while busy():\n    pass\n"),
    "python: a slice": ("python", "y = x[..., 0]\n"),
    "python: a type": ("python", "def f(a: tuple[int, ...]) -> None:\n    ⟦...⟧\n"),
    "python: a default": ("python", "def f(a: int = ...) -> None:\n    g(a)\n"),
    "python: a comparison": ("python", "if a is ...:\n    g()\n"),
    "python: a required field": ("python", "class A(Model):\n    b: int = Field(...)\n"),
    "python: an annotated attribute": ("python", "class A:\n    b: int = ...\n"),
    "python: a protocol": ("python", "class A(Protocol):\n    def f(self) -> int: ...\n"),
    "python: an abstract method": ("python", "class A:\n    @abc.abstractmethod\n    def f(self): ...\n"),
    "python: an overload": ("python", "@overload\ndef f(a: int) -> int: ...\n"),
    "python: strings": ("python", 'print("... TODO pass")\n'),
    "python: comments": ("python", "# and so on ... ‸ <#x#>\nx = 1\n"),
    "python: a docstring about markers": ("python", '"""Put ‸\nthere.\n"""\n'),
    "python: no body": ("python", "def f():\n    ⟦⟧\n\ndef g():\n    ⟦⟧\n"),
    "python: a method without a body": ("python", "class A:\n    def f(self):\n        ⟦⟧\n    x = 1\n"),
    "python: a TODO that ends its block": ("python", "def f():\n    # TODO: add\n    ⟦⟧\n"),
    "python: a TODO over two lines": ("python", "def f():\n    # TODO: add\n    # both\n    ⟦⟧\n\nx = 1\n"),
    "python: a TODO about what follows": ("python", "def f():\n    # TODO: quicker\n    return 1\n"),
    "python: a TODO before pass": ("python", "def f():\n    # TODO: add\n    ⟦pass⟧\n"),
    "python: a TODO in a string": ("python", 'x = """\n    # TODO: add\n"""\n'),
    "python: tabs": ("python", "class A:\n\tdef f(self):\n\t\t⟦⟧\n\tdef g(self):\n\t\treturn 1\n"),
    "python: CRLF": ("python", "def f():\r\n    # TODO: é\r\n    ⟦⟧\r\n"),
    "python: beyond ASCII": ("python", 'name = "ärger 🎈" + ⟦‸⟧\n'),
    "javascript: no body": ("javascript", "function f() {\n    ⟦⟧\n}\n"),
    "javascript: meant to be empty": ("javascript", "function f() {}\nconst g = () => {};\n"),
    "javascript: a value": ("javascript", "const g = () => ⟦...⟧;\n"),
    "javascript: spread": ("javascript", "f(...a, ...[1], ...{b});\nfunction g(...rest) { h(rest); }\n"),
    "javascript: what is missing": ("javascript", "const x = f(1, 2⟦+)⟧;\n"),
    "javascript: what is refused": ("javascript", "let y = a ⟦+⟧* 2;\n"),
    "javascript: a marker explains the error": ("javascript", "let y = a + ⟦‸⟧;\n"),
    "javascript: a string": ("javascript", "say('Hello ⟦‸⟧');\n"),
    "typescript: no body": ("typescript", "class A {\n  f(a: number): void {\n    ⟦⟧\n  }\n  b = ⟦<#value#>⟧;\n}\n"),
    "typescript: interface": ("typescript", "interface A {\n}\n"),
    "go: variadic": ("go", "package a\n\nfunc f(xs ...int) int {\n\tg(xs...)\n\treturn ⟦...⟧\n}\n"),
    "go: an array": ("go", "package a\n\nvar x = [...]int{1}\n"),
    "go: no body": ("go", "package a\n\nfunc f() {\n\t⟦⟧\n}\n\nfunc g() {\n\tf()\n}\n"),
    "rust: a body": ("rust", "fn f() -> i32 {\n    ⟦...⟧\n}\n"),
    "rust: a range": ("rust", "fn f() { for i in 0..3 { g(i); } }\n"),
    "c: variadic": ("c", "int p(const char *f, ...);\nint g(void) {\n  return ⟦...⟧;\n}\n"),
    "cpp: catch all": ("cpp", "void f() { try { g(); } catch (...) { h(); } }\n"),
    "java: varargs": ("java", "class A {\n  int f(String... a) {\n    return ⟦...⟧;\n  }\n}\n"),
    "csharp: no body": ("csharp", "class A {\n  void F() {\n    ⟦⟧\n  }\n}\n"),
    "ruby: no body": ("ruby", "def f(a)\n    ⟦⟧\nend\n\nx = (1...3)\n"),
    "lua: varargs": ("lua", "local function f(...)\n  return ...\nend\n"),
    "lua: no body": ("lua", "local function f(a)\n  ⟦⟧\nend\n\nlocal function g()\n  return 1\nend\n"),
    "php: first-class callable": ("php", "<?php\n$f = strlen(...);\n$g = ⟦...⟧;\n"),
    "bash: a TODO": ("bash", "f() {\n  # TODO: copy\n  ⟦⟧\n}\n"),
    "json: values": ("json", '{"a": ⟦...⟧, "b": "...", "c": ⟦<#port#>⟧}\n'),
    "yaml: values": ("yaml", "a: ⟦<#name#>⟧\nb: ...\n"),
    "sql: a condition": ("sql", "SELECT a FROM t WHERE ⟦...⟧;\n"),
    "plain text": (None, "Dear ⟦‸⟧, ... TODO pass\n"),
}  # fmt: skip


def unmarked(expected: str) -> str:
    """The text as it was: without what a fill would bring, and without the brackets."""
    text = re.sub(r"\r?\n[ \t]*⟦⟧|⟦\+.⟧", "", expected)
    return re.sub(r"[⟦⟧]", "", text)


@pytest.mark.parametrize("name", CASES)
def test_holes_are_found_where_something_is_left_to_write(name: str) -> None:
    language, expected = CASES[name]
    assert marked(unmarked(expected), language) == expected


def test_the_indentation_that_a_body_brings() -> None:
    (hole,) = find_holes("class A {\n  f() {\n  }\n}\n", "javascript", markers=MARKERS)
    assert (hole.kind, hole.lead, hole.trail) == ("body", "\n    ", "\n  ")


def test_a_blank_line_opened_for_a_body_is_used() -> None:
    text = "for i in a:\n    \nx = 1\n"
    (hole,) = find_holes(text, "python", markers=MARKERS)
    filled = applied(text, [Edit(hole.start, hole.end, hole.lead + "f(i)" + hole.trail)])
    assert filled == "for i in a:\n    f(i)\nx = 1\n"


def test_stubs_have_no_holes() -> None:
    assert find_holes("def f() -> int: ...\n", "python", markers=MARKERS, path="a.pyi") == ()


def test_markers_can_be_chosen() -> None:
    text = "fn f() -> i32 {\n    todo!()\n}\nfn g() -> i32 {\n    2\n}\n"
    (hole,) = find_holes(text, "rust", markers=("todo!()",))
    assert text[hole.start : hole.end] == "todo!()"
    assert find_holes("x = 1  # todo!()\n", "python", markers=("todo!()",)) == ()


def test_a_span_limits_what_is_found() -> None:
    text = "a = ...\nb = ...\nc = ...\n"
    (hole,) = find_holes(text, "python", markers=MARKERS, span=(8, 15))
    assert hole.start == 12


def test_an_excerpt_of_a_big_text_has_the_same_holes() -> None:
    text = "".join(f"def f{number}(a):\n    return a + {number}\n\n\n" for number in range(2000))
    at = text.index("def f1000")
    text = text.replace("return a + 1000", "return ...")
    span = (at, at + 40)
    parts = excerpt(text, at)
    assert parts is not None
    found = find_holes(text, "python", markers=MARKERS, span=span, excerpt=parts)
    assert found == find_holes(text, "python", markers=MARKERS, span=span)
    assert [replace(hole, start=0, end=3) for hole in found] == [Hole(0, 3, "marker")]


@given(
    st.text(alphabet="ab(){}[]:;=\n .'\"‸<#>é\r", max_size=60),
    st.sampled_from(["python", "javascript", "ruby", None]),
)
def test_holes_are_in_order_and_apart(text: str, language: str | None) -> None:
    holes = find_holes(text, language, markers=MARKERS)
    at = 0
    for hole in holes:
        assert at <= hole.start <= hole.end <= len(text)
        at = hole.end
