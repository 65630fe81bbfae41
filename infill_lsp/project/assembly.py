"""Who gets how much of the room that other files have in a prompt, and why the rest was left out.

Sources that seldom change stand first and those that change with the place stand last, so that a
prompt's start stays the same and its keys and values are reused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from engine import Snippet
from infill_lsp.project.private import holds_secret, is_private
from infill_lsp.project.sources import Piece, headed
from infill_lsp.settings import Settings, Source

BUDGET: dict[Source, int] = {
    "imports": 2400,
    "sibling": 800,
    "called": 800,
    "similar": 1600,
    "recent": 1200,
}
"""Most characters of each source, in the order in which they stand. Together about the 2,000 tokens
that a full prompt has for snippets (`engine.prompt`, which drops from the end what does not fit)."""
SOURCES = tuple(BUDGET)
DEFAULT_SOURCES = Settings().project_context


@dataclass(frozen=True, slots=True)
class Verdict:
    """A candidate, and what became of it."""

    piece: Piece
    left_out: str | None = None
    """Why it is not in the prompt; None: it was put in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the project has to say about a gap."""

    snippets: tuple[Snippet, ...] = ()
    """As they stand in the prompt."""
    verdicts: tuple[Verdict, ...] = ()
    """Every candidate, in the same order."""


def assemble(
    candidates: Mapping[str, Iterable[Piece]], language: str, document: str = ""
) -> Answer:
    """Choose within the budget. candidates: for each source, best first; document: text of the
    gap's own file, which need not be repeated."""
    verdicts: list[Verdict] = []
    snippets: list[Snippet] = []
    seen: list[Piece] = []
    for source, room in BUDGET.items():
        left = room
        for piece in candidates.get(source, ()):
            text = headed(piece, language)
            reason = _objection(piece, seen, document)
            if reason is None and len(text) > left:
                reason = f"longer than what {source} has left ({left} of {room} characters)"
            elif reason is None and (piece.beside_secret or holds_secret(piece.text, piece.path)):
                reason = "looks like it holds a secret, or stands beside one"
                piece = replace(piece, text="")  # nobody is to see it, in whatever list
            verdicts.append(Verdict(piece, reason))
            if reason is None:
                left -= len(text)
                seen.append(piece)
                snippets.append(Snippet(text, piece.path))
    return Answer(tuple(snippets), tuple(verdicts))


def _objection(piece: Piece, seen: list[Piece], document: str) -> str | None:
    if not piece.text.strip():
        return "empty"
    if is_private(piece.path):
        return "the file is private by its name"
    if any(piece.text in other.text for other in seen if other.path == piece.path):
        return "already there"
    return "the file itself says so" if piece.text in document else None
