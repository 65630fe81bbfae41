"""What is left of a model's text: a table over languages; every step is needed by some row."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infill_lsp import postprocess as module
from infill_lsp.brackets import balanced
from infill_lsp.context import Context, gather
from infill_lsp.documents import Document
from infill_lsp.postprocess import STEPS, is_complete, postprocess


def context_at(name: str, marked: str) -> Context:
    """The context of the place marked with ‸ (twice for a range)."""
    parts = marked.split("‸")
    snapshot = Document(f"file:///{name}", "".join(parts)).snapshot()
    start = len(parts[0])
    return gather(snapshot, start, end=start + len(parts[1]) if len(parts) == 3 else None)


@dataclass(frozen=True)
class Case:
    name: str
    file: str
    document: str
    model: str
    shown: str | None
    cut_off: bool = False

    @property
    def context(self) -> Context:
        return replace(context_at(self.file, self.document), cut_off=self.cut_off)


CASES = (
    # -- remains of the model's own language
    Case("special token", "a.py", "x = ‸\n", "1<|endoftext|>y = 2", "1"),
    Case("fim token", "a.js", "let x = ‸\n", "1;<fim_suffix>", "1;"),
    Case("html tags stay", "a.html", "<p>\n  ‸\n</p>\n", "<s>old</s>", "<s>old</s>"),
    Case("half a character", "a.py", "x = '‸'\n", "größ\ufffd", "größ"),
    # -- a chat model's fence
    Case("fence", "a.py", "x = ‸\n", "```python\n1\n```\nThis sets x.", "1"),
    Case("fence that only closes", "a.py", "def f():\n    ‸\n", "return 1\n```\nDone.", "return 1"),
    Case("fence without a language", "a.js", "let x = ‸\n", "```\n1;\n```", "1;"),
    Case("fence behind a line break", "a.py", "x = 1\n‸", "\n```py\ny = 2\n```\n", "y = 2"),
    Case("fence that only opens", "a.py", "x = ‸\n", "```python", None),
    Case("fence in Markdown", "a.md", "Run\n‸\n", "```sh\nls\n```", "```sh\nls\n```"),
    Case(
        "fence in a docstring",
        "a.py",
        'def f():\n    """A.\n\n‸\n    """\n',
        "```\nf()\n```",
        "```\nf()\n```",
    ),
    # -- the prompt's frame, and what belongs to a file's start
    Case("a file's name", "a.py", "def f(a):\n    ‸\n", "# orders.py\nimport os", None),
    Case("another file", "a.ts", "let a = ‸\n", "1;\n// b.ts\nlet c = 2;", "1;"),
    Case("another file's start", "a.py", "x = 1\n‸", "# b.py\ny = 2", None),
    Case("its own name", "a.go", "‸\n", "// a.go\npackage a", "// a.go\npackage a"),
    Case("imports", "a.py", "def f(a):\n    ‸\n", "import os\n    import sys", None),
    Case(
        "an import",
        "a.py",
        "def f(a):\n    ‸\n",
        "import os\n    return os",
        "import os\n    return os",
    ),
    # -- whose text it is
    Case("owner", "a.py", "# ‸\n", "Copyright 2020 Example Inc.", None),
    Case("author", "a.py", "# Adds.\n‸\nx = 1\n", "# Numbers.\n# Author: Bob", "# Numbers."),
    # -- out of time
    Case("half a line", "a.py", "def f(a):\n    ‸\n", "b = a\n    return a + some", "b = a", True),
    Case("half a word", "a.js", "let x = ‸\n", "someth", None, True),
    Case("a name around it", "a.py", "a = 1\nx = ‸\n", "f(a) + a", "f(a) + a", True),
    Case("prose", "a.md", "Dear ‸\n", "reader, this is", None, True),
    Case(
        "docstring",
        "a.py",
        "def f(a):\n    ‸\n",
        '"""Adds.\n\n    Args:\n        a: The fir',
        '"""Adds."""',
        True,
    ),
    # -- one line
    Case("middle of a line", "a.py", "x = ‸ + 1\n", "y\nz = 3", "y"),
    Case(
        "after return", "a.py", "def f(a):\n    return ‸\n", "a + 1\n\ndef g():\n    pass", "a + 1"
    ),
    Case("inside a call", "a.js", "foo(‸)\n", "a, b\n", "a, b"),
    Case(
        "half a word", "a.rs", "fn main() {\n    pri‸\n}\n", "ntln!();\n    let x = 1;", "ntln!();"
    ),
    Case("inside a string", "a.go", 'var s = "‸"\n', "hello\nworld", "hello"),
    Case("line comment", "a.py", "# adds‸\nx = 1\n", " two numbers\nx = 2", " two numbers"),
    Case("nothing on the line", "a.py", "x = ‸\n", "\ny = 2", None),
    # -- lines of their own: the next line begins right behind the gap
    Case("a whole line", "a.py", "x = 1\n‸print(x)\n", "y = 2", "y = 2\n"),
    Case("its break is not said twice", "a.py", "x = 1\n‸print(x)\n", "y = 2\n", "y = 2\n"),
    Case(
        "whole lines for whole lines",
        "a.py",
        "def f(a):\n‸    old\n‸    return b\n",
        "    b = a\n    b += 1\n    return b",
        "    b = a\n    b += 1\n",
    ),
    Case("as the file ends lines", "a.py", "x = 1\r\n‸print(x)\r\n", "y = 2", "y = 2\r\n"),
    Case("the line goes on behind the gap", "a.py", "x = 1\n‸y‸ = 2\n", "z", "z"),
    # -- white space that is there already
    Case("space after =", "a.py", "x = ‸\n", " 1", "1"),
    Case("space in a string stays", "a.py", "x = 'a ‸'\n", " b", " b"),
    Case("indent again", "a.py", "def f():\n    ‸\n", "    return 1", "return 1"),
    Case("deeper than it may be", "a.py", "def f():\n    x = 1\n    ‸\n", "    y = 2", "y = 2"),
    Case("wanted indent stays", "a.py", "def f():\n‸\n", "    return 1", "    return 1"),
    Case("half the indent", "a.py", "if x:\n  y = 1\n  if z:\n  ‸\n", "  y = 2", "  y = 2"),
    Case(
        "spaces for tabs",
        "a.go",
        "func f() {\n\tg()\n\t‸\n}\n",
        "if x {\n        h()\n    }",
        "if x {\n\t\th()\n\t}",
    ),
    Case(
        "tabs for spaces",
        "a.py",
        "def f():\n    x = 1\n    ‸\n",
        "if x:\n\t\ty = 2",
        "if x:\n        y = 2",
    ),
    # -- the scope's end
    Case(
        "function ends",
        "a.py",
        "def f(a):\n    ‸\n\n\nx = 1\n",
        "b = a\n    return b\n\ndef g():\n    pass",
        "b = a\n    return b",
    ),
    Case(
        "after a header",
        "a.py",
        "def f(a):‸\n",
        "\n    return a\n\n\nprint(f(1))",
        "\n    return a",
    ),
    Case(
        "dedent inside a class",
        "a.py",
        "class A:\n    def f(self):\n        ‸\n",
        "return 1\n\n    def g(self):\n        return 2",
        "return 1",
    ),
    Case(
        "next method",
        "a.py",
        "class A:\n    ‸\n",
        "def f(self):\n        return 1\n\n    def g(self):\n        return 2",
        "def f(self):\n        return 1",
    ),
    Case(
        "else stays",
        "a.py",
        "def f(x):\n    ‸\n",
        "if x:\n        return 1\n    else:\n        return 2",
        "if x:\n        return 1\n    else:\n        return 2",
    ),
    Case(
        "blank line in a body stays",
        "a.py",
        "def f(x):\n    ‸\n",
        "for y in x:\n        print(y)\n\n    return x",
        "for y in x:\n        print(y)\n\n    return x",
    ),
    Case(
        "text in a string is no dedent",
        "a.py",
        "def f():\n    ‸\n",
        'q = """\nselect 1\n"""\n    return q',
        'q = """\nselect 1\n"""\n    return q',
    ),
    Case(
        "top level: one definition",
        "a.py",
        "import os\n\n‸\n",
        "def f():\n    return 1\n\n\ndef g():\n    return 2",
        "def f():\n    return 1",
    ),
    Case(
        "brace is there",
        "a.js",
        "function f(a) {\n  ‸\n}\n",
        "return a;\n}\n\nfunction g() {}",
        "return a;",
    ),
    Case(
        "brace is wanted",
        "a.js",
        "function f(a) {\n  ‸\n",
        "return a;\n}\n\nfunction g() {}",
        "return a;\n}",
    ),
    Case(
        "java method",
        "A.java",
        "class A {\n    int f() {\n        ‸\n    }\n}\n",
        "int x = 1;\n        return x;\n    }\n\n    int g() {",
        "int x = 1;\n        return x;",
    ),
    Case(
        "c function on its own brace",
        "a.c",
        "int f(int a)\n{\n    ‸\n}\n",
        "if (a) {\n        return 1;\n    }\n    return 0;\n}\n\nint g(void)\n{",
        "if (a) {\n        return 1;\n    }\n    return 0;",
    ),
    Case(
        "c preprocessor at the margin",
        "a.c",
        "int f(int a)\n{\n    ‸\n}\n",
        "a++;\n#ifdef X\n    a--;\n#endif\n    return a;",
        "a++;\n#ifdef X\n    a--;\n#endif\n    return a;",
    ),
    Case(
        "ruby end is there",
        "a.rb",
        "def f(a)\n  ‸\nend\n",
        "b = a\n  b + 1\nend\n\ndef g\nend",
        "b = a\n  b + 1",
    ),
    Case(
        "lua block",
        "a.lua",
        "function f(a)\n  ‸\nend\n",
        "if a then\n    return 1\n  end\n  return 2\nend\nprint(f(1))",
        "if a then\n    return 1\n  end\n  return 2",
    ),
    Case(
        "ruby def to its end",
        "a.rb",
        "class A\n  def f‸\nend\n",
        "(a)\n    a + 1\n  end\n\n  def g\n  end",
        "(a)\n    a + 1\n  end",
    ),
    Case(
        "bash function",
        "a.sh",
        "f() {\n  ‸\n}\n",
        'echo "$1"\n}\n\nf "x"',
        'echo "$1"',
    ),
    Case(
        "yaml key",
        "a.yaml",
        "jobs:\n  test:\n    ‸\nname: x\n",
        "needs: build\n    steps: []\n  other:\n    steps: []",
        "needs: build\n    steps: []",
    ),
    Case(
        "css rule",
        "a.css",
        ".a {\n  ‸\n}\n",
        "color: red;\n}\n\n.b {\n  color: blue;\n}",
        "color: red;",
    ),
    # -- what follows anyway
    Case("closing bracket", "a.py", "print(‸)\n", "x)", "x"),
    Case("its own bracket stays", "a.py", "print(f(‸)\n", "x)", "x)"),
    Case("quote and bracket", "a.py", 'print("hello‸")\n', ' world")', " world"),
    Case("rest of the line", "a.py", "f(‸, timeout=3)\n", "url, timeout=3)", "url"),
    Case("rest, and more", "a.py", "f(‸, timeout=3)\n", "url, timeout=3).json()", "url"),
    Case("operator to the right", "a.ts", "const x = ‸ * scale;\n", "width * scale;", "width"),
    Case("semicolon after a bracket", "a.js", "foo(‸);\n", "g(x);", "g(x)"),
    Case("semicolon", "a.js", "let x = ‸;\n", "foo();", "foo()"),
    Case(
        "lines below",
        "a.py",
        "def f(x):\n    ‸\n    y = x + 1\n    return y\n",
        "x = abs(x)\n    y = x + 1\n    return y",
        "x = abs(x)",
    ),
    Case("the line below", "a.py", "a = 1\n‸\nb = compute(a)\n", "b = compute(a)", None),
    Case(
        "brace line below",
        "a.rs",
        "fn f(a: i32) -> i32 {\n    if a > 0 {\n        ‸\n    }\n    a\n}\n",
        "return 1;\n    }",
        "return 1;",
    ),
    Case(
        "end below",
        "a.rb",
        "def f(a)\n  ‸\nend\n",
        "a + 1\nend",
        "a + 1",
    ),
    Case(
        "html closing tag",
        "a.html",
        "<ul>\n  <li>a</li>\n  ‸\n</ul>\n",
        "<li>b</li>\n</ul>",
        "<li>b</li>",
    ),
    Case("sql where", "a.sql", "SELECT ‸ FROM t;\n", "a, b FROM t;", "a, b"),
    Case("json value", "a.json", '{\n  "a": ‸\n}\n', '"x"\n}', '"x"'),
    Case("in a range", "a.py", "x = ‸old‸ + 1\n", "new + 1", "new"),
    # -- again and again
    Case("line again", "a.py", "‸\n", "print(1234)\nprint(1234)\nprint(1234)", "print(1234)"),
    Case(
        "two lines again",
        "a.js",
        "‸\n",
        "foo(first);\nbar(second);\nfoo(first);\nbar(second);",
        "foo(first);\nbar(second);",
    ),
    Case("within a line", "a.txt", "we ‸\n", "are very very very very very very", "are very"),
    Case(
        "a word without end",
        "a.c",
        "int a = 1;\n‸\n",
        "int b = 2;\nint c = 0x4" + "0" * 41,
        "int b = 2;",
    ),
    Case(
        "forty zeros are an address",
        "a.js",
        "‸\n",
        "a = '0x" + "0" * 40 + "'",
        "a = '0x" + "0" * 40 + "'",
    ),
    Case("line above", "a.py", "total = total + 1\n‸\n", "total = total + 1", None),
    Case(
        "what is left when it is cut stands below",
        "a.py",
        "def f(a):\n    b = 1\n    ‸\n    for i in range(a):\n        g(i)\n",
        "for i in range(a):\n        if i:",
        None,
    ),
    # -- the statements around it
    Case(
        "a return before more of its block",
        "a.py",
        "def f(a):\n    ‸\n    return b\n",
        "b = a\n    return a",
        "b = a",
    ),
    Case(
        "deeper lines follow that nothing opens",
        "a.py",
        "def f(a):\n    while a:\n‸            return 1\n",
        "        a.pop()\n        if a[0]:\n",
        "        a.pop()\n        if a[0]:\n",
    ),
    # -- brackets and quotes
    Case(
        "its block is below",
        "a.js",
        "class A {\n  ‸\n    const x = 1;\n    return x;\n  }\n}\n",
        "get() {\n    const x = 1;",
        "get() {",
    ),
    Case(
        "closer that goes on",
        "a.js",
        "if (a) {\n  f();\n‸\n  g();\n}\n",
        "} else {",
        "} else {",
    ),
    Case(
        "wanted closer in a long file",
        "a.js",
        "if (a) {\n  f();\n‸\n" + "g();\n" * 2000,
        "}",
        "}",
    ),
    Case(
        "wanted parenthesis in a long file",
        "a.py",
        "x = f(‸\n" + "y = g(1)\n" * 2000,
        "2)",
        "2)",
    ),
    Case(
        "wanted end of a docstring",
        "a.py",
        'def f():\n    """Adds‸\n    return 1\n\ndef g():\n    """Two."""\n',
        ' one."""',
        ' one."""',
    ),
    Case(
        "wanted end of a comment",
        "a.css",
        "/* one‸\n.a { b: c }\n/* two */\n",
        " more */",
        " more */",
    ),
    Case(
        "alignment after tabs", "a.go", "func f() {\n\t‸\n}\n", "g(a,\n\t    b)", "g(a,\n\t    b)"
    ),
    Case(
        "macros tell a tree nothing",
        "a.c",
        "API(int) f(int a) NOTHROW;\n\n‸\n\nAPI(int) g(int a) NOTHROW;\n",
        "API(int) h(int a) NOTHROW;",
        "API(int) h(int a) NOTHROW;",
    ),
    Case("missing closer", "a.py", "‸\n", "print(max(a, b)", "print(max(a, b))"),
    Case("missing after comma", "a.py", "x = ‸\n", "[1, 2,", "[1, 2]"),
    Case(
        "missing brace",
        "a.js",
        "function f(x) {\n  ‸\n}\n",
        "if (x) {\n    g(x);",
        "if (x) {\n    g(x);\n  }",
    ),
    Case("dangling operator", "a.py", "‸\n", "x = 1\ny = f(x +", "x = 1"),
    Case("stray closer", "a.py", "x = ‸\n", "a] + b", "a"),
    Case("open string", "a.py", "‸\n", "a = f(1)\nb = 'never en", "a = f(1)"),
    Case("bracket in a string", "a.py", "x = ‸\n", "'(' + y", "'(' + y"),
    Case("bracket in a comment", "a.c", "int x; ‸\n", "// :-(", "// :-("),
    Case("lifetime is no string", "a.rs", "fn f‸\n", "<'a>(x: &'a str) {}", "<'a>(x: &'a str) {}"),
    Case("apostrophe in html", "a.html", "<p>\n‸\n</p>\n", "it's (not", "it's (not"),
    Case("plain text", "a.txt", "Dear ‸\n", "Ann :)", "Ann :)"),
    Case("case in bash", "a.sh", "case $1 in\n  ‸\nesac\n", "a) echo a ;;", "a) echo a ;;"),
    Case("php array", "a.php", "<?php\n$a = ‸;\n", "['x' => 1", "['x' => 1]"),
    # -- white space at the end, and nothing
    Case("trailing spaces", "a.py", "‸\n", "x = 1   \n\n", "x = 1"),
    Case("only spaces", "a.py", "‸\n", "  \n ", None),
    Case("empty", "a.py", "x = ‸\n", "", None),
    Case("space before a word", "a.py", "x = ‸b\n", "a + ", "a + "),
    # -- syntax
    Case("breaks the file", "a.py", "x = 1\n‸\ny = 2\n", "return of the jedi", None),
    Case("breaks in its last line", "a.py", "‸\ny = 2\n", "x = 1\nz = = 3", "x = 1"),
    Case("breaks json", "a.json", "{\n  ‸\n}\n", '"b" 2', None),
    Case("breaks go", "a.go", "package a\n\nfunc f() {\n\t‸\n}\n", "x := := 1", None),
    Case("opens less than is closed", "a.py", "a = so‸))\n", "rted(b", None),
    Case("opens what is closed", "a.py", "a = so‸))\n", "rted(set(b", "rted(set(b"),
    Case("closed by the editor, unfinished", "a.py", "for k in range(‸)\n", "n", "n"),
    Case(
        "a comment may say anything",
        "a.py",
        "# ‸\n",
        "return of the jedi (",
        "return of the jedi (",
    ),
    # -- between two lines of a block
    Case(
        "a comment at the margin would end the block",
        "a.py",
        "def f(x):\n    y = x\n‸    return y\n",
        "# Test the function",
        None,
    ),
    Case(
        "what comes before such a line stays",
        "a.py",
        "def f(x):\n    y = x\n‸    return y\n",
        "    y += 1\n# Test the function",
        "    y += 1\n",
    ),
    Case(
        "a new case may stand out",
        "a.py",
        "def f(x):\n    if x:\n        y = 1\n‸        y = 2\n",
        "    else:",
        "    else:\n",
    ),
    # -- line ends
    Case(
        "windows lines",
        "a.py",
        "def f(x):\r\n    ‸\r\n",
        "y = x\n    return y",
        "y = x\r\n    return y",
    ),
    Case(
        "windows lines below",
        "a.cs",
        "class A\r\n{\r\n    int F()\r\n    {\r\n        ‸\r\n    }\r\n}\r\n",
        "var x = 1;\n        return x;\n    }\n}",
        "var x = 1;\r\n        return x;",
    ),
    # -- beyond ASCII
    Case("umlauts", "a.py", "größe = ‸\n", "länge('ä') + 1", "länge('ä') + 1"),
    Case("emoji in a string", "a.js", "const s = '‸';\n", "😀 ok';", "😀 ok"),
    Case("chinese comment", "a.go", "package a\n\n// ‸\n", "返回最大值\nfunc f() {}", "返回最大值"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_shown(case: Case) -> None:
    assert postprocess(case.model, case.context) == case.shown


def test_there_are_cases_enough() -> None:
    assert len(CASES) >= 60
    assert len({case.file.rpartition(".")[2] for case in CASES}) >= 10


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_no_step_is_superfluous(step: module.Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", tuple(other for other in STEPS if other is not step))
    assert any(postprocess(case.model, case.context) != case.shown for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_shown_text_is_shown_again(case: Case) -> None:
    if case.shown is not None:
        assert postprocess(case.shown, case.context) == case.shown


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_complete_means_that_more_text_changes_nothing(case: Case) -> None:
    """Once a head of the model's text is said to be complete, it shows what the whole shows."""
    context = case.context
    complete = is_complete(context)
    for length in range(len(case.model) + 1):
        if complete(case.model[:length]):
            assert postprocess(case.model[:length], context) == case.shown
            break


@pytest.mark.parametrize(
    ("file", "document", "text", "complete"),
    [
        ("a.py", "x = ‸\n", "1\n", True),
        ("a.py", "x = ‸\n", "1", False),
        ("a.py", "def f():\n    ‸\n", "return 1\n\nx =", True),
        ("a.py", "def f():\n    ‸\n", "return 1\n\nx", False),  # might become `else`
        ("a.py", "def f():\n    ‸\n", "return 1\n    ", False),
        ("a.js", "function f() {\n  ‸\n}\n", "return 1;\n}\n", True),
        ("a.js", "function f() {\n  ‸\n}\n", "return 1;\n}", False),  # might go on: `} else {`
        ("a.js", "function f() {\n  ‸\n}\n", "return 1;\n", False),
        ("a.js", "f(‸)\n", "g(a)", False),
        ("a.js", "f(‸)\n", "g(a))", True),
        ("a.py", "def f():\n    ‸\n    y = second(2)\n", "x = 1\n    y = second(2)\n", True),
        ("a.py", "‸\n", "a = 1<|endoftext|>", True),
        ("a.py", "‸\n", "print(1234)\nprint(1234)\n", True),
        ("a.py", "x = 1\n‸", "```python\ny = 2\n", False),
        ("a.py", "x = 1\n‸", "```python\ny = 2\n```", True),
        ("a.txt", "‸", "", False),
    ],
)
def test_is_complete(file: str, document: str, text: str, complete: bool) -> None:
    assert is_complete(context_at(file, document))(text) is complete


def test_is_complete_is_quick_enough_to_be_asked_after_every_step() -> None:
    body = "    def method(self, a):\n        return [a + 1, 'x', (a)]\n\n"
    document = "class A:\n" + body * 2000 + "    def last(self):\n        ‸\n" + body * 2000
    complete = is_complete(context_at("a.py", document))
    text = "total = 0\n        for x in range(10):\n            total += f(x, [1, 2])\n" * 6
    complete(text)
    began = time.process_time()
    for _ in range(20):
        complete(text[:-10])
    assert (time.process_time() - began) / 20 < 1e-3


fragments = st.lists(
    st.sampled_from(
        (
            "x",
            "f(",
            ")",
            "[",
            "]",
            "{",
            "}",
            '"',
            "'",
            "\n",
            "    ",
            "# ",
            ", ",
            "=",
            "é",
            "return ",
        )
    ),
    max_size=25,
).map("".join)


@given(fragments, st.sampled_from(("a.py", "a.js", "a.rs")), st.booleans())
@example("[\nxreturn x", "a.rs", False)  # its last line is cut away again
def test_a_fill_of_a_balanced_gap_stays_balanced(text: str, file: str, multiple: bool) -> None:
    """Whatever the model writes, a file whose brackets balance keeps them balanced."""
    document = "f(a)\n‸\ng(b)\n" if multiple else "f(a, [‸])\n"
    shown = postprocess(text, context_at(file, document))
    if shown is not None:
        assert balanced(
            document.replace("‸", shown),
            {"a.py": "python", "a.js": "javascript", "a.rs": "rust"}[file],
        )


@given(st.text(max_size=60), st.sampled_from([case.document for case in CASES]))
def test_any_text_is_answered(text: str, document: str) -> None:
    context = context_at("a.py", document)
    shown = postprocess(text, context)
    assert shown is None or shown.strip()
    assert is_complete(context)(text) in (True, False)


# -- a model that reads what stands after the gap ends its fill by itself -------------------------

BRIDGES = {
    "leaves its block for what follows": (
        "def f(x):\n    while x:\n        a(x)\n‸\n\ndef g():\n    pass\n",
        "        x -= 1\n    return x",
        "        x -= 1\n    return x",
    ),
    "opens the block below": (
        "def f(v):\n    for x in v:\n‸            b(x)\n    return v\n",
        "        a(x)\n    for x in v:\n        if x:\n",
        "        a(x)\n    for x in v:\n        if x:\n",
    ),
    "ends in the middle of the next line": (
        "def f(s):\n    s = ''.join(li‸'7')\n    return s\n",
        "st(s))\n    t = (s == ",
        "st(s))\n    t = (s == ",
    ),
    "says again what the rest of the line says": (
        "def f(v):\n    m = sum(v) /‸len(v)\n",
        " len(v)\n    return sum(v) - m * ",
        " len(v)\n    return sum(v) - m * ",
    ),
    "ends with a part of the next line's indentation": (
        "def f(v):\n    r‸   return r\n",
        " = v + 1\n ",
        " = v + 1\n ",
    ),
    "but not below what follows": (
        "def f(x):\n    if x:\n‸        b(x)\n    return x\n",
        "        a(x)\nprint(f(1))",
        "        a(x)\n",
    ),
    "and no bracket is left open": ("def f(x):\n    y = g(‸)\n    return y\n", "x, (1", "x, (1)"),
}


@pytest.mark.parametrize(("marked", "model", "shown"), BRIDGES.values(), ids=BRIDGES)
def test_a_model_that_reads_on_may_leave_its_block(marked: str, model: str, shown: str) -> None:
    context = context_at("a.py", marked)
    wide = replace(context, ends_itself=True, single_line="\n" not in model)
    assert postprocess(model, wide) == shown


def test_only_such_a_model_is_not_stopped_where_its_block_ends() -> None:
    marked, model, shown = BRIDGES["leaves its block for what follows"]
    context = context_at("a.py", marked)
    assert postprocess(model, context) == "        x -= 1" != shown
    assert is_complete(context)(model + "\n")
    assert not is_complete(replace(context, ends_itself=True))(model + "\n")
