"""Which code actions are offered where."""

from __future__ import annotations

import pytest

from infill_lsp import actions
from infill_lsp.documents import Document
from infill_lsp.settings import Settings

TEXT = "def f(a):\n    return ...\n\n\ndef g(b):\n    pass\n\n\nx = 1\ny = ((2)\n"


def offered(text: str, start: int, end: int, language: str = "python") -> list[str]:
    document = Document("file:///a", text, language_id=language, encoding="utf-32")
    found = actions.offers(document.snapshot(), start, end, Settings().hole_markers)
    return [offer.title for offer in found]


@pytest.mark.parametrize(
    ("start", "end", "titles"),
    [
        ("...", None, ["Fill this hole", "Fill all holes of this file"]),
        ("f(a)", None, []),
        ("x = 1", None, []),
        ("y = ", None, ["Write anew what does not parse"]),
        ("def f", "x =", ["Fill 2 holes", "Write the selection anew", "Choose among variants"]),
        ("x = 1", "1\ny", ["Write the selection anew", "Choose among variants"]),
    ],
)
def test_offers_by_place(start: str, end: str | None, titles: list[str]) -> None:
    first = TEXT.index(start)
    assert offered(TEXT, first, TEXT.index(end) if end else first) == titles


def test_a_big_document_is_looked_at_where_the_cursor_is() -> None:
    many = "".join(f"def f{number}(a):\n    return a + {number}\n\n\n" for number in range(2000))
    text = many.replace("return a + 1500\n", "return ...\n") + TEXT
    at = text.index("...")
    assert offered(text, at, at) == ["Fill this hole", "Fill all holes of this file"]
    assert offered(text, at + 30, at + 30) == []


def test_plain_text_has_only_markers_that_are_no_words() -> None:
    assert offered("Dear ‸, pass on\n", 0, 0, "plaintext")[0] == "Fill this hole"
    assert offered("and so on ...\n", 0, 0, "plaintext") == []
