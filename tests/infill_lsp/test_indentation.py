"""One level of indentation: what the text says, and what is asked where it says nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infill_lsp.indentation import (
    Around,
    convention,
    from_editorconfig,
    from_options,
    levels,
    unit_in,
)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("a:\n  b:\n    c\n", "  "),
        ("a {\n\tb\n}\n", "\t"),
        ("a\nb\n", None),
        ("a:\n    b\n    c\n", "    "),
        ("/*\n * a\n */\n", None),
    ],
)
def test_what_the_text_says(text: str, unit: str | None) -> None:
    assert unit_in(text) == unit


def test_the_order_of_what_is_around() -> None:
    full = Around(editorconfig="\t", siblings="   ", options="  ")
    assert full.unit("python") == "\t"
    assert Around(siblings="   ", options="  ").unit("python") == "   "
    assert Around(options="  ").unit("python") == "  "
    assert Around().unit("python") == "    "


def test_conventions() -> None:
    assert convention("go") == convention("make") == "\t"
    assert convention("ruby") == convention("yaml") == "  "
    assert convention("no-such-language") == "    "


@pytest.mark.parametrize(
    ("config", "unit"),
    [
        ("[*]\nindent_style = tab\n", "\t"),
        ("[*.py]\nindent_style = space\nindent_size = 3\n", "   "),
        ("[*.py]\nindent_size = 2\n", "  "),
        ("[*.js]\nindent_size = 2\n", ""),
        ("[*]\nindent_size = many\n", ""),
        ("[*]\nindent_style = space\nindent_size = tab\ntab_width = 8\n", " " * 8),
        ("no section\n", ""),
        ("", ""),
    ],
)
def test_editorconfig(config: str, unit: str, tmp_path: Path) -> None:
    (tmp_path / ".editorconfig").write_text(f"root = true\n\n{config}")
    assert from_editorconfig(tmp_path / "a" / "b.py") == unit


@pytest.mark.timeout(10)
def test_an_editorconfig_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".editorconfig")
    assert from_editorconfig(tmp_path / "b.py") == ""


@pytest.mark.parametrize(
    ("size", "spaces", "unit"),
    [
        (2, True, "  "),
        (4, False, "\t"),
        (0, True, ""),
        (99, True, ""),
        ("4", True, ""),
        (None, None, ""),
    ],
)
def test_formatting_options(size: object, spaces: object, unit: str) -> None:
    assert from_options(size, spaces) == unit


def test_the_levels_above() -> None:
    assert levels("a:\n    b:\n        c\n\n") == ["        ", "    ", ""]
