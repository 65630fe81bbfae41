"""From import statements to files."""

from __future__ import annotations

import pytest

from infill_lsp.project.modules import Import, imports_of


def one(language: str, statement: str, path: str) -> Import:
    return imports_of(language, (statement,), path)[0]


@pytest.mark.parametrize(
    ("language", "statement", "path", "file", "names"),
    [
        ("python", "from a.b import c, d as e", "x.py", "a/b.py", ("c", "d")),
        (
            "python",
            "from a import (\n    b,  # why\n    c,\n)",
            "x.py",
            "a/__init__.py",
            ("b", "c"),
        ),
        ("python", "import a.b as c", "x.py", "a/b.py", ()),
        ("python", "from . import b", "p/q/x.py", "p/q/__init__.py", ("b",)),
        ("python", "from ..r import b", "p/q/x.py", "p/r.py", ("b",)),
        (
            "javascript",
            "import { a as b, c } from './lib/d.js'",
            "s/x.js",
            "s/lib/d.js",
            ("a", "c"),
        ),
        ("typescript", "import D, { type E } from '../d'", "s/x.ts", "d.ts", None),
        ("typescript", "import { a } from './d.js'", "x.ts", "d.ts", ("a",)),
        ("go", 'import (\n\t"fmt"\n\t"example.com/m/pkg/store"\n)', "x.go", "pkg/store/", ()),
        ("rust", "use crate::a::b::{C, D};", "src/x.rs", "src/a/b.rs", ("C", "D")),
        ("rust", "use crate::a::f;", "src/x.rs", "src/a.rs", ("f",)),
        ("rust", "use super::b::T;", "src/a/mod.rs", "src/b.rs", ("T",)),
        ("java", "import com.x.Thing;", "X.java", "com/x/Thing.java", ("Thing",)),
        ("java", "import static com.x.Thing.f;", "X.java", "com/x/Thing.java", ("Thing",)),
        ("php", "use App\\Models\\User;", "x.php", "Models/User.php", ("User",)),
        ("c", '#include "util/buf.h"', "src/x.c", "src/util/buf.h", ()),
        ("cpp", "#include <lib/buf.hpp>", "x.cpp", "lib/buf.hpp", ()),
    ],
)
def test_where_a_statement_points(
    language: str, statement: str, path: str, file: str, names: tuple[str, ...] | None
) -> None:
    found = one(language, statement, path)
    assert file in found.paths
    assert names is None or found.names == names


def test_a_name_may_be_a_module() -> None:
    assert "a/b.py" in imports_of("python", ("from a import b",), "x.py")[1].paths


def test_relative_imports_mean_one_place_only() -> None:
    assert not one("python", "from .a import b", "p/x.py").anywhere
    assert one("python", "from a import b", "p/x.py").anywhere


@pytest.mark.parametrize(
    ("language", "statement"),
    [
        ("javascript", "import react from 'react'"),
        ("go", 'import "fmt"'),
        ("rust", "use std::fmt;"),
        ("python", "from import"),
        ("java", "import java.util.*;"),
        ("klingon", "import x"),
    ],
)
def test_what_is_not_in_the_workspace_is_not_looked_for(language: str, statement: str) -> None:
    assert imports_of(language, (statement,), "x") == []
