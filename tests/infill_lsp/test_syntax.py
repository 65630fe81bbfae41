"""Scopes, strings, comments and imports, on samples of every language and broken code."""

from __future__ import annotations

from pathlib import Path

import pytest

from infill_lsp.documents import Document
from infill_lsp.grammars import language_for
from infill_lsp.syntax import (
    imports,
    imports_of_head,
    in_comment,
    in_string,
    scopes_at,
)

SAMPLES = Path(__file__).parents[2] / "fixtures" / "languages"

# file, a text in it, names of the scopes around it
SCOPES = (
    ("sample.py", "result += ", ["Order", "total"]),
    ("sample.js", "task().finally", ["Queue", "next"]),
    ("sample.ts", "this.entries.delete", ["Cache", "put"]),
    ("sample.tsx", "setCount(count", ["Counter", "increase"]),
    ("sample.rs", ".entry(word)", ["Counts<'a>", "of"]),
    ("sample.go", "fmt.Errorf", ["Get"]),
    ("sample.c", "return -1", ["buffer_append"]),
    ("sample.cpp", "throw std", ["shapes", "Matrix", "at"]),
    ("Sample.java", "names.add", ["Basket", "add"]),
    ("Sample.cs", "total += prices", ["Shop", "PriceList", "Total"]),
    ("sample.rb", "total += 1", ["Logs", "Reader", "count"]),
    ("sample.php", "$this->orders[]", ["Customer", "order"]),
    ("sample.sh", 'rm -- "', ["remove_old"]),
    ("sample.lua", "events.emit", ["Stack:push"]),
    ("sample.sql", "NUMERIC(10", ["orders"]),
    ("sample.json", "1.5, 2.25", ['"limits"', '"prices"']),
    ("sample.yaml", "ubuntu-latest", ["jobs", "test", "runs-on"]),
    ("sample.toml", "types", ["tool.checks"]),
    (
        "sample.html",
        "Coffee</a>",
        ['html lang="en"', "body", 'main class="offers"', "ul", "li", 'a href="/coffee"'],
    ),
    ("sample.css", "narrow", ["(max-width: 40em)", ".offers"]),
)


@pytest.mark.parametrize(("name", "place", "names"), SCOPES, ids=[row[0] for row in SCOPES])
def test_scopes(name: str, place: str, names: list[str]) -> None:
    text = (SAMPLES / name).read_text()
    language = language_for("", name)
    assert language is not None
    at = text.index(place) + 2
    tree = Document(name, text).snapshot().tree_at(at)
    assert tree is not None
    assert [scope.name for scope in scopes_at(tree, text, language, at)] == names


def test_a_scope_has_its_header() -> None:
    text = (SAMPLES / "sample.py").read_text()
    tree = Document("a.py", text).snapshot().tree_at(0)
    assert tree is not None
    headers = [s.header for s in scopes_at(tree, text, "python", text.index("result +="))]
    assert headers == ["class Order:", "def total(self, prices: dict[str, float]) -> float:"]
    text = (SAMPLES / "sample.c").read_text()
    tree = Document("a.c", text).snapshot().tree_at(0)
    assert tree is not None
    (scope,) = scopes_at(tree, text, "c", text.index("return -1"))
    assert scope.header == (
        "int buffer_append(struct buffer *buffer, const char *bytes, size_t length)"
    )


@pytest.mark.parametrize(
    ("name", "marked", "names"),
    [
        ("a.py", "class A:\n    def f(self):\n        ‸\n", ["A", "f"]),
        ("a.py", "class A:\n    def f(self):\n        x = 1\n        ‸\n", ["A", "f"]),
        ("a.py", "def f():\n    return 1\n\n‸", []),
        ("a.py", "def f():\n    x = (1,\n    ‸", ["f"]),
        ("a.js", "class A {\n  f() {\n    ‸\n  }\n}\n", ["A", "f"]),
        ("a.js", "function f(x) {\n  foo(‸", ["f"]),
        ("a.rs", "impl A {\n    fn g(&self) {\n        let x = ‸\n", ["A", "g"]),
    ],
)
def test_scopes_of_unfinished_code(name: str, marked: str, names: list[str]) -> None:
    at = marked.index("‸")
    text = marked.replace("‸", "")
    snapshot = Document(name, text).snapshot()
    tree = snapshot.tree_at(at)
    assert tree is not None
    assert snapshot.language is not None
    assert [scope.name for scope in scopes_at(tree, text, snapshot.language, at)] == names


@pytest.mark.parametrize(
    ("name", "marked", "string", "comment"),
    [
        ("a.py", "x = 'a‸b'\n", True, False),
        ("a.py", "x = ‸'ab'\n", False, False),
        ("a.py", "x = 'ab'‸\n", False, False),
        ("a.py", "x = f'a{b‸}c'\n", False, False),
        ("a.py", "x = f'a{b}c‸'\n", True, False),
        ("a.py", 'def f():\n    """Do ‸it."""\n', True, False),
        ("a.py", "x = 1  # one‸\ny = 2\n", False, True),
        ("a.py", "x = 1  # one\n‸y = 2\n", False, False),
        ("a.py", "x = 1 ‸ # one\n", False, False),
        ("a.js", "const s = `a${b‸}`;\n", False, False),
        ("a.js", "const s = `a‸${b}`;\n", True, False),
        ("a.js", "/* a ‸ b */\n", False, True),
        ("a.js", "/* a */‸\n", False, False),
        ("a.js", "// a‸", False, True),
        ("a.rs", "let c = '‸x';\n", True, False),
        ("a.rb", 'x = "a#{b‸}"\n', False, False),
        ("a.lua", "--[[ a ‸ ]]\n", False, True),
        ("a.sql", "SELECT 'a‸b', 12 FROM t;\n", True, False),
        ("a.sql", "SELECT 'ab', 1‸2 FROM t;\n", False, False),
        ("a.html", "<!-- a ‸ -->\n", False, True),
        ("a.css", "a { content: 'x‸y'; }\n", True, False),
        ("a.c", 'char *s = "größe ‸";\n', True, False),
    ],
)
def test_strings_and_comments(name: str, marked: str, string: bool, comment: bool) -> None:
    at = marked.index("‸")
    text = marked.replace("‸", "")
    snapshot = Document(name, text).snapshot()
    tree = snapshot.tree_at(at)
    assert tree is not None
    assert snapshot.language is not None
    assert in_string(tree, text, snapshot.language, at) is string
    assert in_comment(tree, text, snapshot.language, at) is comment


def test_imports() -> None:
    def of(name: str) -> tuple[str, ...]:
        text = (SAMPLES / name).read_text()
        language = language_for("", name)
        assert language is not None
        tree = Document(name, text).snapshot().tree_at(0)
        assert tree is not None
        assert imports_of_head(language, text) == imports(tree, text, language)
        return imports(tree, text, language)

    assert of("sample.py")[1] == "from dataclasses import dataclass, field"
    assert of("sample.go") == ('import (\n\t"errors"\n\t"fmt"\n\t"sync"\n)',)
    assert of("sample.c") == ("#include <stdlib.h>", '#include "buffer.h"')
    assert of("sample.rs")[0] == "use std::collections::HashMap;"
    assert of("Sample.java")[0] == "package shop;"
    assert of("sample.json") == ()
