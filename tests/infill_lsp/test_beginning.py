"""What a fill begins with, and where it ends."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

import infill_lsp
from infill_lsp.beginning import beginning
from infill_lsp.context import Context, gather
from infill_lsp.documents import Document

EXTENSION = Path(__file__).parents[2] / "editors" / "vscode" / "src"


def context_at(marked: str, name: str = "a.py") -> Context:
    before, after = marked.split("‸")
    return between(before, after, name)


def between(before: str, after: str, name: str = "a.py") -> Context:
    return gather(Document(f"file:///{name}", before + after).snapshot(), len(before))


@pytest.mark.parametrize(
    ("marked", "text"),
    [
        ("def f(a):\n    ‸\n    return total\n", "total"),
        ("def f(a):\n‸    return total\n", "    total"),
        ("def f(a):\n    if a:\n        a()\n‸    return total\n", "    total"),
        ("def f(a):\n    if a:\n        return\n‸        b(i)\n", "    for i"),
        ("def f(a):\n    ‸\n        b(i)\n    return a\n", "for i"),
        ("def f(a):\n    ‸\n        total += a\n    return total\n", "total"),
        # the first letters are there
        ("def f(a):\n    to‸\n    return total\n", "tal"),
        ("def f(a):\n    total‸\n    return total\n", ""),
        ("def f(a):\n    b‸\n    return total, bound\n", "ound"),
        ("def f(a):\n    fo‸\n        b(i)\n    return a\n", "r i"),
        ("def f(a):\n    x‸\n    return total\n", None),
        ("def f(a):\n    total = ‸\n    return total\n", None),
        ("def f(a):\n    to‸tal\n    return total\n", None),
        ("class A:\n\tdef f(self):\n\t\t‸\n\t\treturn total\n", "total"),
        ("async def f(a):\n    ‸\n    await total\n", "total"),
        ("@b\ndef f(a):\n    ‸\n    return total\n\n\ntotal = 1\n", None),
        ("from b import (\n    total,\n)\n\n\ndef f(a):\n    ‸\n    return total\n", None),
        ("try:\n    total = 1\nexcept E:\n    x\n\n\ndef f(a):\n    ‸\n    return total\n", None),
        ("def g():\n    total = 1\n\n\ndef f(a):\n    ‸\n    return total\n", "total"),
        ("def f(a):\n    ‸\n    return json.loads(a)\n", None),  # is to be imported, elsewhere
        ("def f(a):\n    ‸\n    return a\n", None),
        ("‸\nprint(total)\n", None),  # a module's names come from anywhere
        ("def f(a):\n    b = ‸\n    return total\n", None),
        ("def f(a):\n    ‸ + 1\n    return total\n", None),
        ('def f(a):\n    """\n    ‸\n    """\n    return total\n', None),
        ("def f(a):\n    # b‸\n    return total\n", None),
    ],
)
def test_beginning(marked: str, text: str | None) -> None:
    found = beginning(context_at(marked))
    assert (found and found.text) == text


@pytest.mark.parametrize(
    ("name", "marked", "text"),
    [
        ("a.js", "function f(a) {\n  ‸\n  return total;\n}\n", "const total"),
        ("a.js", "function f(a) {\n‸  return total;\n}\n", "  const total"),
        ("a.js", "function f(a) {\n  co‸\n  return total;\n}\n", "nst total"),
        ("a.js", "function f(a) {\n  const t‸\n  return total;\n}\n", "otal"),
        ("a.js", "function f(a) {\n  return‸\n  total;\n}\n", None),
        ("a.js", "function f(a) {\n  ‸\n  total += a;\n  return total;\n}\n", "let total"),
        ("a.js", "function f(a) {\n  ‸\n  const {b} = total;\n}\n", "const total"),
        ("a.js", "function f(a) {\n  var b = 1;\n  ‸\n  return total;\n}\n", "var total"),
        ("a.js", "function f(a) {\n  ‸\n  return first + second;\n}\n", "const"),
        ("a.js", "import {total} from 'b';\n\nfunction f(a) {\n  ‸\n  return total;\n}\n", None),
        ("a.js", "function f(a) {\n  ‸\n    total();\n}\n", None),
        ("a.js", "function f(a) {\n  if (a) {\n    a();\n‸  }\n  return total;\n}\n", None),
        (
            "a.ts",
            "class A {\n  f(): B {\n    ‸\n    return this.g(total);\n  }\n}\n",
            "const total",
        ),
        ("a.go", "func f() int {\n\t‸\n\treturn total\n}\n", "total"),
        ("a.go", "func f() int {\n\t‸\n\tif err != nil {\n\t\treturn 1\n\t}\n\treturn a\n}\n", "a"),
        ("a.go", "func f() int {\n\t‸\n\treturn total\n}\n\nvar total = 1\n", None),
        # another function has it from elsewhere, too; or has one of its own
        ("a.go", "func f() int {\n\t‸\n\treturn a\n}\n\nfunc g() {\n\th(a)\n}\n", None),
        ("a.go", "func g() {\n\th(a)\n}\n\nfunc f() int {\n\t‸\n\treturn a\n}\n", None),
        ("a.go", "func f() int {\n\t‸\n\treturn a\n}\n\nfunc g() {\n\ta := 1\n\th(a)\n}\n", "a"),
        ("a.rs", "fn f() -> u8 {\n    ‸\n    total\n}\n", "let total"),
        ("a.rs", "fn f() -> u8 {\n    ‸\n    g(&mut total);\n    total\n}\n", "let mut total"),
        ("a.rs", "fn f() -> u8 {\n    ‸\n    first + second\n}\n", "let ("),
        ("A.java", "class A {\n  int f() {\n    ‸\n    return total;\n  }\n}\n", None),
    ],
)
def test_beginning_in_other_languages(name: str, marked: str, text: str | None) -> None:
    found = beginning(context_at(marked, name))
    assert (found and found.text) == text


@pytest.mark.parametrize(
    ("marked", "fill", "enough"),
    [
        ("def f(a):\n    ‸\n    return b\n", "b = 1\n    c = 2\n    d = 3", "b = 1"),
        ("def f(a):\n    ‸\n    return b, d\n", "b = 1\n    c = 2\n    d = 3\n    e = 4", "b = 1\n    c = 2\n    d = 3"),
        ("def f(a):\n    ‸\n    return b\n", "c = 2", None),
        ("def f(a):\n    ‸\n    return b\n", "b = = 2", None),
        ("def f(a):\n    fac‸\n    return factor\n", "tor = a", "tor = a"),
        ("def f(a):\n    ‸\n    return b\n", "b = (\n        1\n    )\n    c = 2", "b = (\n        1\n    )"),
        ("def f(a):\n‸        c(i)\n", "    for i in a:\n        d(i)\n", "    for i in a:"),
        ("def f(a):\n‸        c(i)\n", "    i = 1\n    if i:\n        d()", "    i = 1\n    if i:"),
    ],
)  # fmt: skip
def test_enough(marked: str, fill: str, enough: str | None) -> None:
    context = context_at(marked)
    found = beginning(context)
    assert found is not None
    assert found.enough_of(fill, context) == enough


def test_our_own_sources_lack_nothing_until_a_line_is_taken_out() -> None:
    """Blank lines put into finished functions; and lines that bind a name taken out of them."""
    picked = random.Random(0)
    blank = taken = right = 0
    for path in sorted(Path(infill_lsp.__file__).parent.glob("*.py")):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        inside = [
            node.lineno - 1
            for each in ast.walk(ast.parse("".join(lines)))
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in each.body[1:]
        ]
        for row in picked.sample(inside, min(6, len(inside))):
            before, after = "".join(lines[:row]), "".join(lines[row:])
            indent = lines[row][: len(lines[row]) - len(lines[row].lstrip())]
            assert beginning(between(before + indent, "\n" + after)) is None, (path.name, row)
            blank += 1
            name, equals, _ = lines[row].strip().partition(" = ")
            rest = "".join(lines[row + 1 :])
            if not equals or not name.isidentifier() or "(\n" in lines[row]:
                continue
            found = beginning(between(before, rest))
            taken += 1
            right += found is not None and found.text == indent + name
    assert blank > 100
    assert right > 0.6 * taken > 10


def test_our_own_typescript_lacks_nothing_until_a_line_is_taken_out() -> None:
    """The same with the extension's sources, at every line that follows a finished one."""
    blank = taken = right = 0
    for path in sorted(EXTENSION.glob("*.ts")):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        for row, line in enumerate(lines):
            indent = line[: len(line) - len(line.lstrip())]
            if not indent or not line.strip() or not lines[row - 1].rstrip().endswith((";", "{")):
                continue
            before = "".join(lines[:row])
            whole = "".join(lines[row:])
            assert beginning(between(before + indent, "\n" + whole, "a.ts")) is None, (path, row)
            blank += 1
            if line.strip().startswith(("const ", "let ")) and line.rstrip().endswith(";"):
                found = beginning(between(before, "".join(lines[row + 1 :]), "a.ts"))
                taken += 1
                right += found is not None and line.startswith(found.text)
    assert blank > 100
    assert right > 0.5 * taken > 10
