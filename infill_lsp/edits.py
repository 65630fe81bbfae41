"""Replacements in one text: applied here, or packed for an editor as one versioned edit.

Knows offsets, snapshots and the protocol's types; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lsprotocol import types

from infill_lsp.documents import Snapshot


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace [start, end) of a text by `text`."""

    start: int
    end: int
    text: str


def applied(text: str, edits: Iterable[Edit]) -> str:
    """`text` with all the edits in it; they may not overlap."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def workspace_edit(
    snapshot: Snapshot, edits: Iterable[Edit], *, versioned: bool
) -> types.WorkspaceEdit:
    """One edit of one document, which an editor undoes in one step.

    versioned: the client refuses it, if its document is not the snapshot's version any more.
    """
    changes = [
        types.TextEdit(range=range_of(snapshot, edit.start, edit.end), new_text=edit.text)
        for edit in edits
    ]
    if not versioned:
        return types.WorkspaceEdit(changes={snapshot.uri: changes})
    document = types.OptionalVersionedTextDocumentIdentifier(snapshot.uri, snapshot.version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(document, changes)])


def range_of(snapshot: Snapshot, start: int, end: int) -> types.Range:
    """[start, end) as the protocol has it."""
    first, last = snapshot.position_at(start), snapshot.position_at(end)
    return types.Range(start=types.Position(*first), end=types.Position(*last))
