"""What an editor gets for a suggestion."""

from __future__ import annotations

import pytest
from lsprotocol import types

from infill_lsp.documents import Document, Snapshot
from infill_lsp.items import LABEL_LENGTH, completion_items, inline_items
from infill_lsp.positions import Encoding
from infill_lsp.suggestions import Suggestion


def snapshot(text: str, encoding: Encoding = "utf-16") -> Snapshot:
    return Document("file:///a.py", text, language_id="python", encoding=encoding).snapshot()


def test_no_suggestion_is_an_empty_list_and_not_null() -> None:
    assert inline_items([], snapshot("")).items == []
    assert completion_items([], snapshot(""), markdown=False).items == []


@pytest.mark.parametrize(("encoding", "character"), [("utf-8", 8), ("utf-16", 6), ("utf-32", 5)])
def test_ranges_count_in_the_document_s_encoding(encoding: Encoding, character: int) -> None:
    shown = snapshot("\n😀 = 1", encoding)
    (item,) = inline_items([Suggestion("7", 5, 6, "12")], shown).items
    assert item.range is not None
    assert (item.range.start.line, item.range.end.line) == (1, 1)
    assert (item.range.start.character, item.range.end.character) == (character - 1, character)
    assert item.insert_text == item.filter_text == "12"
    assert item.command is not None
    assert item.command.arguments == ["7"]


def test_a_completion_item_begins_with_the_word() -> None:
    text = "x = été_2"
    (item,) = completion_items([Suggestion("1", 9, 9, "0()")], snapshot(text), markdown=False).items
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit.new_text == item.filter_text == "été_20()"
    assert item.text_edit.range.start.character == 4
    assert item.kind is types.CompletionItemKind.Text


def test_a_completion_item_of_several_lines() -> None:
    text = "\n    return a\n"
    (item,) = completion_items([Suggestion("1", 0, 0, text)], snapshot(""), markdown=True).items
    assert item.label == "return a"
    assert item.kind is types.CompletionItemKind.Text
    assert item.insert_text_format is types.InsertTextFormat.PlainText
    assert isinstance(item.documentation, types.MarkupContent)
    assert item.documentation.value == f"```python\n{text}\n```"


def test_labels_are_short_and_fences_hold() -> None:
    text = "x" * 100 + "\n```\n"
    (item,) = completion_items([Suggestion("1", 0, 0, text)], snapshot(""), markdown=True).items
    assert item.label == "x" * LABEL_LENGTH + "…"
    assert isinstance(item.documentation, types.MarkupContent)
    assert item.documentation.value.startswith("````python\n")


def test_variants_keep_their_order() -> None:
    two = [Suggestion("1", 0, 0, "b"), Suggestion("2", 0, 0, "a")]
    items = completion_items(two, snapshot(""), markdown=False).items
    assert sorted(items, key=lambda item: item.sort_text or "") == list(items)
