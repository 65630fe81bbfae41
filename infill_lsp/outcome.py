"""What came of one gap: the suggestions that a draft is worth, or why there are none."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from engine import Draft, Stop
from infill_lsp.context import Context
from infill_lsp.documents import Snapshot
from infill_lsp.postprocess import postprocess
from infill_lsp.suggestions import Popup, Suggestion

_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of one gap."""

    suggestions: tuple[Suggestion, ...]
    """Best first; their range is the gap (with a popup: the popup's range)."""
    draft: Draft | None
    """The engine's answer. None when it was not asked: `silence` says why."""
    silence: str | None = None
    """Why there is no suggestion; None when there is one."""
    ms: dict[str, float] = field(default_factory=dict)
    """What this side cost: `context` and `postprocess`, in milliseconds."""


def worth_showing(
    draft: Draft, context: Context, *, limited: bool = False
) -> tuple[tuple[str, float], ...]:
    """Texts that are left after post-processing, with their confidence; no text twice.

    limited: who asks has set the length, and takes a line without its end.
    """
    texts: dict[str, float] = {}
    for variant in draft.fills:
        cut_off = not (variant.ended or limited)
        text = postprocess(variant.text, replace(context, cut_off=cut_off))
        if text:
            texts.setdefault(text, variant.confidence)
    return tuple(texts.items())


def suggestions_from(
    texts: tuple[tuple[str, float], ...],
    snapshot: Snapshot,
    offset: int,
    end: int | None,
    popup: Popup | None,
) -> tuple[Suggestion, ...]:
    """Suggestions that replace the gap, or the popup's range by its text and more."""
    start, stop, begin = offset, offset if end is None else end, ""
    if popup is not None:
        start, stop, begin = popup.start, popup.end, popup.text
    return tuple(
        Suggestion(f"{snapshot.version}.{next(_ids)}", start, stop, begin + text, confidence)
        for text, confidence in texts
    )


def why_nothing(draft: Draft, deadline: float | None) -> str:
    """Why a draft is worth no suggestion. deadline: the seconds it had."""
    if draft.stop is Stop.DEADLINE and deadline is not None:
        return (
            f"nothing good within {deadline * 1000:.0f} ms"
            " (infill.deadlineMs, infill.invokedDeadlineMs)"
        )
    return "nothing good found here"
