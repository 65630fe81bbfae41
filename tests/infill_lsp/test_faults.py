"""What is wrong around a fill: errors of the tree, and what the grammar lets pass."""

from __future__ import annotations

import ast

import pytest

from infill_lsp.documents import Document
from infill_lsp.faults import adds_errors, errors, leaves_errors, misfits, syntax_errors


def test_errors_are_counted_where_they_are() -> None:
    text = "x = = 1\n" + "y = 2\n" * 50
    tree = Document("a.py", text).snapshot().tree_at(0)
    assert tree is not None
    assert errors(tree, 0, 8) == 1
    assert errors(tree, 100, 200) == 0


@pytest.mark.parametrize(
    ("language", "prefix", "fill", "suffix", "fine"),
    [
        ("python", "x = [i ", "* 2", " for i in c]\n", True),
        ("python", "x = [i ", "*", " for i in c]\n", False),  # the empty gap has none
        ("python", "x = ", "1", "\ny = = 2\n", True),  # that one is not the fill's
        ("python", "x = 1\n", "y = 2\n", "n y\nz = 3\n", False),  # it does not lead to what follows
        ("python", "if x:\n    ", 'y = """', "\n    z = 1\nw = 2\n", False),
        ("plain", "what ", "ever ) (", "", True),
    ],
)
def test_what_leaves_errors(language: str, prefix: str, fill: str, suffix: str, fine: bool) -> None:
    assert leaves_errors(language, prefix, fill, suffix) is not fine


@pytest.mark.parametrize(
    ("language", "prefix", "fill", "suffix", "fine"),
    [
        ("python", "def f():\n    ", "return 1", "\n", True),
        ("python", "x = 1\n", "y = = 2", "\nz = 3\n", False),
        ("python", "x = (1,\n", "2)", "\n", True),
        ("javascript", "function f() {\n  ", "return 1;", "\n}\n", True),
        ("javascript", "function f() {\n  ", "return 1;\n}", "\n}\n", False),
        ("json", '{"a": ', "[1, 2]", "}\n", True),
        ("json", '{"a": 1', " 2", "}\n", False),
        ("plain", "what ", "ever ) (", "", True),
    ],
)
def test_what_adds_errors(language: str, prefix: str, fill: str, suffix: str, fine: bool) -> None:
    assert adds_errors(language, prefix, fill, suffix) is not fine
    padding = {"python": "v = f(1)\n" * 3000, "javascript": "v = f(1);\n" * 3000}.get(language, "")
    assert adds_errors(language, padding + prefix, fill, suffix + padding) is not fine


LOOP = "def f(q):\n    while q:\n"
NESTED = "def f(x):\n    if x:\n        a()\n    else:\n"


@pytest.mark.parametrize(
    ("language", "prefix", "fill", "suffix", "fine"),
    [
        # what follows is deeper than the fill's last line, which opens nothing
        ("python", LOOP, "        q.pop()\n", "            return 1\n    return 2\n", False),
        ("python", LOOP, "        if q[0]:\n", "            return 1\n    return 2\n", True),
        ("python", LOOP, "        a()\n        if q[0]:\n", "            return 1\n", True),
        ("python", LOOP, "        # later\n", "            return 1\n        q.pop()\n", False),
        ("python", LOOP, "        if q:\n", "              a()\n          b()\n    c()\n", False),
        ("python", LOOP, "        a()\n", "    b()\n\n\nif c:\n    d()\n        e()\n", True),
        # a block stays empty: the fill's own, the one above it
        ("python", NESTED, "        if b:\n            if c:\n", "    return 2\n", False),
        (
            "python",
            NESTED,
            "        if b:\n",
            "    return 2\n",
            False,
        ),
        ("python", NESTED, "    return 2\n", "", False),
        ("python", NESTED, "        # nothing\n        pass\n", "    return 2\n", True),
        ("python", "def f():\n    \n\n\n", "f()", "\n", True),  # somebody left that one empty
        # an indentation that no block has
        ("python", NESTED, "      b()\n", "    return 2\n", True),
        ("python", NESTED, "      b()\n        c()\n", "    return 2\n", False),
        ("python", "x = 1\n", "  y = 2\n", "z = 3\n", False),
        ("python", "def f(x):\n    return {\n", "  'a': 1,\n", "    }\n", True),
        ("python", 'x = """\n', "    y\n", ' z"""\n', True),
        # what stands in its line before the gap is not the fill's doing
        ("python", "if a:\n    b()\n      c = ", "1", "\n", True),
        # nothing reaches what follows
        ("python", "def f(x):\n    y = x\n", "    return y\n", "    return x\n", False),
        ("python", "def f(x):\n    if x:\n", "        return y\n", "    return x\n", True),
        ("python", "def f(x):\n    return x\n", "    y = 1\n", "    z = 2\n", True),  # it was so
        ("go", "func f() int {\n\t", "return 1", "\n\treturn 2\n}\n", False),
        ("rust", "fn f() -> i32 {\n    ", "return 1;", "\n    2\n}\n", False),
        ("c", "int f(int x) {\n  if (x) ", "return 1;", "\n  else return 2;\n}\n", True),
        ("javascript", "function f() {\n  ", "return g();", "\n  function g() {}\n}\n", True),
        ("java", "class A { int f() {\n    ", "throw e;", "\n    g();\n} }\n", False),
        ("plain", "return 1\n", "  x\n", "y\n", True),
    ],
)
def test_what_does_not_go_with_its_neighbours(
    language: str, prefix: str, fill: str, suffix: str, fine: bool
) -> None:
    assert misfits(language, prefix, fill, suffix) is not fine
    padding = "v = f(1)\n" * 3000 if language == "python" else ""
    assert misfits(language, padding + prefix, fill, suffix + padding) is not fine


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    if a:\n        b\n    return 1\n",
        "def f():\n    if a:\n    return 1\n",
        "def f():\n    a\n        b\n",
        "def f():\n    if a:\n        b\n  c\n",
        "if a: b; c\nelse:\n    # d\n    e\n",
        "class A:\n\n    @b\n    def c(self): pass\n\n  # odd\n    d = 1\n",
        "match a:\n    case 1:\n        b\n    case 2: c\n",
        "try:\n    a\nexcept B:\nfinally:\n    c\n",
        "  a\nb\n",
        "x = (1,\n2)\n",
        "def f(:\n    a\n",
        "for a in b:\n    c\n    \n\td\n",
        "with a as b, \\\n        c as d:\n    e\n",
    ],
)
def test_python_is_wrong_where_python_says_so(text: str) -> None:
    try:
        ast.parse(text)
        fine = True
    except SyntaxError:
        fine = False
    assert (syntax_errors("python", text) == 0) is fine


def test_a_single_line_may_begin_a_block_that_is_not_written_yet() -> None:
    around = NESTED, "    return 2\n"
    assert not misfits("python", around[0], "        if b:\n", around[1], unfinished=True)
    two = "        if b:\n            if c:\n"
    assert misfits("python", around[0], two, around[1], unfinished=True)


@pytest.mark.parametrize(
    ("fill", "wrong"),
    [
        ('if __name__ == "__main__":\n', True),
        ("x = 1\nif x:\n", True),
        ("def g(y):\n", False),
        ("    if x:\n        y += 1\n", False),
        ("    y += 1\n", False),
    ],
)
def test_what_follows_stays_in_its_function(fill: str, wrong: bool) -> None:
    before, after = "def f(x):\n    y = x\n", "    return y\n"
    assert misfits("python", before, fill, after) is wrong


def test_in_other_languages_braces_say_where_it_stays() -> None:
    before, after = "function f(x) {\n  let y = x;\n", "  return y;\n}\n"
    assert not misfits("javascript", before, "  if (x) y = 2;\n", after)
