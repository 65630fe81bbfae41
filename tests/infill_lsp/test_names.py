"""Names that the code after a gap reads and nothing binds: a table, and our own sources."""

from __future__ import annotations

import pytest

from infill_lsp.names import unbound


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
        ("def f(a):\n    ‸\n    def g():\n        return b\n    return g\n", ()),
        ("def f(a):\n    ‸\n    return g(a)\n", ()),  # functions come from anywhere
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
    assert unbound(before + "pass", after) == names


def test_names_known_from_elsewhere_are_bound() -> None:
    assert unbound("def f():\n    pass", "\n    return b, c\n", {"b"}) == ("c",)
