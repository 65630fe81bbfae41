"""Continue's notes above a file's text. Its own code wrote the prompts that these are after."""

from __future__ import annotations

import pytest

from engine import Snippet
from infill_lsp.endpoint.fim import Parts
from infill_lsp.endpoint.notes import without_notes

PREFIX, SUFFIX = "def f(a):\n    return ", "\n\nprint(f(1))\n"


@pytest.mark.parametrize(
    ("note", "path"),
    [("# a.py", "a.py"), ("// src/a.ts", "src/a.ts"), ("-- db/a.sql", "db/a.sql")],
)
def test_the_file_s_name_alone(note: str, path: str) -> None:
    parts = without_notes(Parts(f"\n{note}\n{PREFIX}", SUFFIX))
    assert parts == Parts(PREFIX, SUFFIX, path)


def test_pieces_of_other_files() -> None:
    notes = "# Path: shop/tax.py\n# RATE = 0.2\n# \n# till.total\n# Path: Untitled.txt\n# def g():\n#     pass\n"
    parts = without_notes(Parts(f"{notes}# shop/till.py\n{PREFIX}", SUFFIX))
    snippets = (
        Snippet("RATE = 0.2\n\ntill.total\n", "shop/tax.py"),
        Snippet("def g():\n    pass\n", "Untitled.txt"),
    )
    assert parts == Parts(PREFIX, SUFFIX, "shop/till.py", snippets)


def test_a_diff_is_left_out() -> None:
    diff = "# diff --git a/x.py b/x.py\n# -A = 1\n# +A = 2\n"
    piece = "# Path: b.py\n# B = 1\n"
    for notes, snippets in ((diff, ()), (piece + diff, (Snippet("B = 1\n", "b.py"),))):
        parts = without_notes(Parts(f"{notes}# a.py\n{PREFIX}", SUFFIX))
        assert parts == Parts(PREFIX, SUFFIX, "a.py", snippets)


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        PREFIX,
        "\n" + PREFIX,
        "# a.py\n" + PREFIX,
        "\n# Adds.\n" + PREFIX,
        "\n# see https://example.com\n" + PREFIX,
        "\n# https://example.com\n" + PREFIX,
        "# Path: a.py\n" + PREFIX,
        "# Path: tax.py\n# RATE = 0.2\n" + PREFIX,
    ],
)
def test_other_comments_stay(prefix: str) -> None:
    assert without_notes(Parts(prefix, SUFFIX)) == Parts(prefix, SUFFIX)
