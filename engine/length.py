"""How long is the gap? The length strategies, chosen by what the model was trained for.

- delete slots (`spec.delete_id`): one canvas with more slots than needed; the rest is deleted.
- left to right: a block of slots; the caller adds block after block until the model ends the text.
- several lengths (no delete token, any order): try each of `candidate_lengths` for one step, then
  take `best_length` of the scores.

Counts only: knows no text, no tensor's device and no canvas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from engine.models.base import ModelSpec


def round_up(size: int) -> int:
    """The smallest of CANVAS_SIZES that holds `size` tokens. ValueError when none does."""
    raise NotImplementedError


def slots(
    spec: ModelSpec, *, gaps: int, anchors: int, single_line: bool, max_tokens: int | None = None
) -> list[int]:
    """The free slots of each gap, for a canvas that also holds `anchors` anchored tokens.

    max_tokens: most slots in one gap. Never more than the canvas holds. ValueError when the anchors
    leave less than one slot for each gap.
    """
    raise NotImplementedError


def candidate_lengths(spec: ModelSpec, limit: int) -> tuple[int, ...]:
    """The lengths worth a first step, ascending, none above `limit`.

    One length only for a model that can end a gap by itself.
    """
    raise NotImplementedError


def length_score(logits: Tensor) -> list[float]:
    """For each variant, how sure the model is of a canvas of this length, after its first forward.

    logits: [B, R, V] of the free positions.
    """
    raise NotImplementedError


def best_length(scores: Mapping[int, float]) -> int:
    """The length with the best calibrated score. ValueError when there is none."""
    raise NotImplementedError
