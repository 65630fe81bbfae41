"""What the workspace's modules contradict in a fill, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infill_lsp.project.knowledge import Claim
from infill_lsp.project.project import Project

MakeProject = Callable[..., Project]
FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": "LIMIT = 3\n\nclass Catalog:\n    def price_of(self, name):\n        return 1\n",
    "shop/open.py": "from shop.prices import *\n",
    "shop/lazy.py": "def __getattr__(name):\n    return 1\n",
    "web/cart.ts": "export const limit = 3;\nexport class Cart {\n  add(item: number) {}\n}\n",
    "web/all.ts": "export * from './cart';\n",
    "src/cart.rs": "pub fn total() -> i32 { 1 }\n",
}


@pytest.mark.parametrize(
    ("path", "language", "imports", "before", "fill", "name"),
    [
        ("main.py", "python", (), "", "from shop.prices import Discount", "Discount"),
        ("main.py", "python", (), "", "from shop.prices import LIMIT, Catalog", None),
        ("main.py", "python", (), "", "from shop import prices", None),
        ("main.py", "python", (), "", "from shop.open import Discount", None),
        ("main.py", "python", (), "", "from shop.lazy import Discount", None),
        ("main.py", "python", (), "", "from requests import Discount", None),
        (
            "main.py",
            "python",
            ("from shop import prices",),
            "",
            "prices.discount()",
            "prices.discount",
        ),
        ("main.py", "python", ("from shop import prices",), "", "prices.LIMIT", None),
        ("main.py", "python", ("from shop import prices as p",), "", "p.discount()", "p.discount"),
        (
            "main.py",
            "python",
            ("from shop.prices import Catalog",),
            "catalog = Catalog()\n",
            "catalog.names_of('a')",
            "catalog.names_of",
        ),
        (
            "main.py",
            "python",
            ("from shop.prices import Catalog",),
            "catalog = Catalog()\ncatalog = other\n",
            "catalog.names_of('a')",
            None,
        ),
        ("web/main.ts", "typescript", (), "", "import { limit, Basket } from './cart';", "Basket"),
        ("web/main.ts", "typescript", (), "", "import { Basket } from './all';", None),
        (
            "web/main.ts",
            "typescript",
            ("import { Cart } from './cart';",),
            "const cart = new Cart();\n",
            "cart.remove(1);",
            "cart.remove",
        ),
        ("web/main.ts", "typescript", ("import * as c from './cart';",), "", "c.most", "c.most"),
        ("src/main.rs", "rust", (), "", "use crate::cart::average;", "average"),
        ("src/main.rs", "rust", (), "", "use crate::cart::total;", None),
    ],
)
def test_what_is_contradicted(
    path: str,
    language: str,
    imports: tuple[str, ...],
    before: str,
    fill: str,
    name: str | None,
    make_project: MakeProject,
) -> None:
    project = make_project(FILES)
    assert project.contradiction(Claim(path, language, imports, before, fill)) == name
