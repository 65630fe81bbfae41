"""Suggestions as the protocol's items. Packs only: decides nothing, and looks nothing up."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from infill_lsp.documents import Snapshot
from infill_lsp.project.assembly import Answer
from infill_lsp.suggestions import Suggestion

ACCEPTED = "infill.accepted"
"""The command that an editor runs after it has inserted an item; its argument is the item's id. An
editor that inserted a part only adds a second one: its length (see `server`)."""
LABEL_LENGTH = 60


def inline_items(
    suggestions: Sequence[Suggestion], snapshot: Snapshot
) -> types.InlineCompletionList:
    """Never null: Neovim keeps stale ghost text on null. Each item has a range: without one, VS
    Code replaces the word at the cursor."""
    return types.InlineCompletionList(
        items=[
            types.InlineCompletionItem(
                insert_text=suggestion.text,
                filter_text=suggestion.text,
                range=_range(snapshot, suggestion.start, suggestion.end),
                command=_accepted(suggestion),
            )
            for suggestion in suggestions
        ]
    )


def completion_items(
    suggestions: Sequence[Suggestion], snapshot: Snapshot, *, markdown: bool
) -> types.CompletionList:
    """For editors without inline completion. Incomplete, so that typing on asks again.

    markdown: whether the client shows documentation as Markdown.
    """
    return types.CompletionList(
        is_incomplete=True,
        items=[
            _completion_item(suggestion, snapshot, rank, markdown)
            for rank, suggestion in enumerate(suggestions)
        ],
    )


def _completion_item(
    suggestion: Suggestion, snapshot: Snapshot, rank: int, markdown: bool
) -> types.CompletionItem:
    # Completion menus match the item against the whole word before the cursor.
    start = _word_start(snapshot.text, suggestion.start)
    text = snapshot.text[start : suggestion.start] + suggestion.text
    return types.CompletionItem(
        label=_label(text),
        # Never Snippet: Helix would read the text as one, and indent it again.
        kind=types.CompletionItemKind.Text,
        detail="infill",
        documentation=_documentation(text, snapshot.language_id) if markdown else text,
        sort_text=f"{rank:04}",
        filter_text=text,
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(range=_range(snapshot, start, suggestion.end), new_text=text),
        command=_accepted(suggestion),
    )


def _range(snapshot: Snapshot, start: int, end: int) -> types.Range:
    first, last = snapshot.position_at(start), snapshot.position_at(end)
    return types.Range(start=types.Position(*first), end=types.Position(*last))


def _accepted(suggestion: Suggestion) -> types.Command:
    return types.Command(title="Accepted", command=ACCEPTED, arguments=[suggestion.id])


def _word_start(text: str, offset: int) -> int:
    while offset > 0 and (text[offset - 1].isalnum() or text[offset - 1] == "_"):
        offset -= 1
    return offset


def _label(text: str) -> str:
    """The first line that says something, shortened."""
    line = next((line.strip() for line in text.split("\n") if line.strip()), "")
    more = "\n" in text.strip() or len(line) > LABEL_LENGTH
    return line[:LABEL_LENGTH] + ("…" if more else "")


def _documentation(text: str, language_id: str) -> types.MarkupContent:
    fence = "```"
    while fence in text:
        fence += "`"
    return types.MarkupContent(
        kind=types.MarkupKind.Markdown, value=f"{fence}{language_id}\n{text}\n{fence}"
    )


def explained(answer: Answer) -> dict[str, object]:
    """The pieces of other files that were considered, in the order in which they stand; of those that were
    left out, the place only: they may hold what nobody is to see."""
    return {
        "pieces": [
            {
                "source": each.piece.source,
                "path": each.piece.path,
                "line": each.piece.line,
                "text": each.piece.text if each.left_out is None else "",
                "leftOut": each.left_out,
            }
            for each in answer.verdicts
        ]
    }
