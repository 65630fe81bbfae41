"""What can be done at a place of a document, as an editor's code actions offer it.

Looks at the text and its tree only; asks no engine, so that a menu opens at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol import types

from infill_lsp.documents import Snapshot
from infill_lsp.edits import range_of
from infill_lsp.excerpt import excerpt
from infill_lsp.grammars import GRAMMARS
from infill_lsp.holes import Hole, find_holes
from infill_lsp.positions import line_bounds

FILL_HOLES, REFILL, REPAIR, CHOOSE = (
    "infill.fillHoles",
    "infill.refill",
    "infill.repair",
    "infill.chooseVariant",
)
KINDS = (types.CodeActionKind.QuickFix, types.CodeActionKind.RefactorRewrite)


@dataclass(frozen=True, slots=True)
class Offer:
    """A command that would do something here."""

    title: str
    kind: types.CodeActionKind
    command: str
    arguments: tuple[object, ...]


def offers(snapshot: Snapshot, start: int, end: int, markers: Sequence[str]) -> list[Offer]:
    """What can be done with the selection [start, end), or at a cursor (then start == end)."""
    first, last = line_bounds(snapshot.text, start)[0], line_bounds(snapshot.text, end)[1]
    span = (start, end) if end > start else (first, last)
    here = holes_in(snapshot, span, markers)
    broken = [hole for hole in here if hole.kind in ("missing", "error")]
    open_ = [hole for hole in here if hole.kind in ("marker", "body")]
    found = []
    if open_:
        title = "Fill this hole" if len(open_) == 1 else f"Fill {len(open_)} holes"
        found.append(_offer(title, types.CodeActionKind.QuickFix, FILL_HOLES, snapshot, *span))
        if end == start:
            found.append(
                Offer(
                    "Fill all holes of this file",
                    types.CodeActionKind.QuickFix,
                    FILL_HOLES,
                    (snapshot.uri,),
                )
            )
    if broken:
        title = "Write anew what does not parse"
        found.append(_offer(title, types.CodeActionKind.QuickFix, REPAIR, snapshot, *span))
    if end > start:
        kind = types.CodeActionKind.RefactorRewrite
        found.append(_offer("Write the selection anew", kind, REFILL, snapshot, start, end))
        found.append(_offer("Choose among variants", kind, CHOOSE, snapshot, start, end))
    return found


def holes_in(
    snapshot: Snapshot, span: tuple[int, int] | None, markers: Sequence[str]
) -> tuple[Hole, ...]:
    """The holes that touch `span`; of a big document's small part only that part is parsed."""
    language = snapshot.language if snapshot.no_tree is None else None
    parts = None
    if span is not None and language is not None and not snapshot.whole_tree:
        words = bool(GRAMMARS[language].block_end)
        parts = excerpt(snapshot.text, span[0], closing_words=words)
        if parts is not None and not any(s <= span[0] and span[1] <= e for s, e in parts):
            parts = None
    return find_holes(
        snapshot.text, language, markers=markers, path=snapshot.path, span=span, excerpt=parts
    )


def _offer(
    title: str, kind: types.CodeActionKind, command: str, snapshot: Snapshot, start: int, end: int
) -> Offer:
    return Offer(title, kind, command, (snapshot.uri, range_of(snapshot, start, end)))
