"""Names that the code after a gap reads and nothing binds: tables."""

from __future__ import annotations

import pytest

from infill_lsp.names import from_outside, unbound


@pytest.mark.parametrize(
    ("marked", "names"),
    [
        ("def f(a):\n    ‸\n    return a + b\n", ("b",)),
        ("def f(a):\n    ‸\n    return b, c, b\n", ("b", "c")),
        ("def f(a):\n    b = 1\n    ‸\n    return a + b\n", ()),
        # bound behind the gap, before it is read or only after
        ("def f(a):\n    ‸\n    b = a\n    return b\n", ()),
        ("def f(a):\n    ‸\n    print(b)\n    b = a\n", ("b",)),
        ("def f(a):\n    ‸\n    b = b + 1\n", ("b",)),
        ("def f(a):\n    ‸\n    b += 1\n", ("b",)),
        ("def f(a):\n    ‸\n    b.c = a\n    d[0] = a\n", ("b", "d")),
        # every way to bind
        ("def f(a, *b, c=1, **d):\n    ‸\n    return a, b, c, d\n", ()),
        ("def f(a):\n    ‸\n    for b, (c, *d) in a:\n        print(b, c, d)\n", ()),
        ("def f(a):\n    ‸\n    return [b for b in a if b], {c: d for c, d in a}\n", ()),
        ("def f(a):\n    ‸\n    with a as b, open(a) as (c, d):\n        print(b, c, d)\n", ()),
        (
            "def f(a):\n    ‸\n    import b.c, d as e\n    from g import h as i, j\n    b, e, i, j\n",
            (),
        ),
        ("def f(a):\n    ‸\n    try:\n        a()\n    except a as b:\n        print(b)\n", ()),
        ("def f(a):\n    ‸\n    if (b := a):\n        return b\n", ()),
        ("def f(a):\n    ‸\n    return b.c if (b := a) else 1\n", ()),
        ("def f(a):\n    ‸\n    match a:\n        case [b, {'x': c}]:\n            b, c\n", ()),
        ("def f(a):\n    ‸\n    global b\n    return b\n", ()),
        (
            "def f(a):\n    ‸\n    class B:\n        c = 1\n    def d(e): pass\n    return B, d\n",
            (),
        ),
        ("def f(a):\n    ‸\n    return sorted(a, key=lambda b: b.c), len, print\n", ()),
        # no variables of this function
        ("def f(a):\n    ‸\n    return a.b(c=a)\n", ()),
        ("def f(a):\n    ‸\n    return g(a)\n", ()),  # functions come from anywhere
        ("def f(a):\n    ‸\n    return FLAG, _kept, Other\n", ()),  # nor are these local names
        # what an inner function reads may be bound behind it
        ("def f(a):\n    ‸\n    def g():\n        return b\n    return g\n", ("b",)),
        ("def f(a):\n    ‸\n    def g():\n        return b\n    b = 1\n    return g\n", ()),
        ("def f(a):\n    ‸\n    def g(b):\n        c = b\n        return c\n    return g\n", ()),
        # scopes around it
        ("def f(a):\n    def g():\n        ‸\n        return a, b\n    b = 1\n", ()),
        ("class A:\n    b = 1\n    def f(self):\n        ‸\n        return b\n", ("b",)),
        ("class A:\n    ‸\n    c = b\n", ("b",)),
        # nothing can be said
        ("def f(a):\n    ‸\n    return b +\n", None),
    ],
)
def test_unbound(marked: str, names: tuple[str, ...] | None) -> None:
    before, after = marked.split("‸")
    assert unbound("python", before + "pass", after) == names


@pytest.mark.parametrize(
    ("language", "marked", "names"),
    [
        ("javascript", "function f(a) {\n  ‸\n  return a + b;\n}\n", ("b",)),
        ("javascript", "const f = (a) => {\n  ‸\n  return {b, c: d, [e]: 1};\n};\n", ("b", "d", "e")),
        ("javascript", "class A {\n  f(a) {\n    ‸\n    g(b.c, () => d);\n  }\n}\n", ("b", "d")),
        ("javascript", "function f(a) {\n  ‸\n  a.forEach((b) => b + c);\n}\n", ("c",)),
        # bound in some way
        ("javascript", "function f({a, b: [c], d = 1}, ...e) {\n  ‸\n  g(a, c, d, e);\n}\n", ()),
        ("javascript", "function f() {\n  const {a, b: c} = h;\n  ‸\n  g(a, c);\n}\n", ()),
        ("javascript", "function f() {\n  ‸\n  for (const a of h()) g(a);\n  let b = 1; g(b);\n}\n", ()),
        ("javascript", "function f() {\n  ‸\n  try { g(); } catch (e) { g(e); }\n}\n", ()),
        ("javascript", "function f() {\n  ‸\n  g(later);\n  function later() {}\n}\n", ()),
        ("javascript", "function f() {\n  ‸\n  return window.a + document.b;\n}\n", ()),
        # what a block binds is not seen behind it
        ("javascript", "function f() {\n  if (g()) {\n    ‸\n  }\n  return a;\n}\n", ()),
        ("javascript", "‸\ng(a);\n", None),
        ("typescript", "function f(a: number): B {\n  ‸\n  return c as D;\n}\n", ("c",)),
        ("typescript", "enum E { A }\nfunction f(this: T, a?: B) {\n  ‸\n  g(a, E.A);\n}\n", ()),
        ("tsx", "function F() {\n  ‸\n  return <A b={c}>{d}</A>;\n}\n", ("c", "d")),
        ("go", "func f(a int) int {\n\t‸\n\treturn a + b\n}\n", ("b",)),
        ("go", "func f() error {\n\t‸\n\tif err != nil {\n\t\treturn err\n\t}\n}\n", ("err",)),
        # bound in some way
        ("go", "func (r *R) f(a, b int) (c int) {\n\t‸\n\tg(r, a, b, c)\n}\n", ()),
        ("go", "func f() {\n\tvar a, b = 1, 2\n\tc, d := g()\n\t‸\n\tg(a, b, c, d)\n}\n", ()),
        ("go", "func f() {\n\t‸\n\tfor a, b := range g() {\n\t\tg(a, b)\n\t}\n}\n", ()),
        ("go", "func f() {\n\t‸\n\tswitch a := g().(type) {\n\tcase int:\n\t\tg(a)\n\t}\n}\n", ()),
        ("go", "func f() T {\n\t‸\n\treturn T{name: Default}\n}\n", ()),
        ("rust", "fn f(a: u8) -> u8 {\n    ‸\n    a + b\n}\n", ("b",)),
        ("rust", 'fn f() {\n    ‸\n    println!("{} {}", a.len(), g(b));\n}\n', ("a", "b")),
        # bound in some way
        ("rust", "fn f((a, b): (u8, u8)) {\n    ‸\n    g(a, b, |c| c + 1);\n}\n", ()),
        ("rust", "fn f() {\n    ‸\n    if let Some(a) = g() { g(a) }\n    for b in g() { g(b) }\n}\n", ()),
        ("rust", "fn f() {\n    ‸\n    match g() { A { a, b: c } => g(a, c), d => g(d) }\n}\n", ()),
        ("rust", "fn f() {\n    ‸\n    #[cfg(test)]\n    let a = std::mem::take(B);\n    g(a)\n}\n", ()),
    ],
)  # fmt: skip
def test_unbound_in_other_languages(
    language: str, marked: str, names: tuple[str, ...] | None
) -> None:
    before, after = marked.split("‸")
    assert unbound(language, before, after) == names


@pytest.mark.parametrize(
    ("language", "definition", "names"),
    [
        ("go", "func f(a int) int {\n\tb := a\n\treturn b + c\n}\n", {"c"}),
        ("go", "func f() {\n\tg(func(a int) { h(a, b) })\n}\n", {"b"}),
        ("python", "def f(a):\n    return [b for b in a if c]\n", {"c"}),
        ("python", "def f(a:\n    return b\n", set()),
    ],
)
def test_from_outside(language: str, definition: str, names: set[str]) -> None:
    assert from_outside(language, definition) == names
