"""Strings, comments and brackets of languages without a grammar, as Pygments has them."""

from __future__ import annotations

import pytest

from infill_lsp.brackets import balanced, is_code
from infill_lsp.delimiters import brackets_of, delimiters_of, name_of


@pytest.mark.parametrize(
    ("language", "comments", "strings"),
    [
        ("nim", {"#"}, {'"', '"""'}),
        ("groovy", {"//", "/*"}, {'"', "'"}),
        ("d", {"//", "/*"}, {'"', "`"}),
        ("clojure", {";"}, {'"'}),
        ("matlab", {"%"}, {"'"}),
        ("fsharp", {"//", "(*"}, {'"'}),
    ],
)
def test_delimiters(language: str, comments: set[str], strings: set[str]) -> None:
    found = delimiters_of(language)
    assert comments <= {each.open for each in found if each.comment}
    assert strings <= {each.open for each in found if not each.comment}
    assert brackets_of(language) == "()[]{}"


@pytest.mark.parametrize("language", ["", "text", "plaintext", "rst", "latex", "no-such-language"])
def test_prose_has_none(language: str) -> None:
    assert not is_code(language)


def test_a_file_tells_its_language_where_the_editor_does_not() -> None:
    assert name_of("plaintext", "src/a.nim") in ("nim", "nimrod")
    assert name_of("crystal", "a.txt") == "crystal"
    assert name_of("plaintext", "notes.txt") in ("text", "plaintext")
    assert name_of("my-own", "") == "my-own"


def test_brackets_in_its_strings_and_comments_do_not_count() -> None:
    assert balanced("f(a) // :-(\nb = '('\n", "groovy")
    assert not balanced("f(a // )\n", "groovy")
