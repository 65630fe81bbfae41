"""How long is the gap? The length strategies, chosen by what the model was trained for.

- delete slots (`spec.delete_id`): one canvas with more slots than needed; the rest is deleted.
- left to right, or a canvas filled with end-of-text (`spec.fills_with_eos`): a block of slots; the
  caller adds block after block until the model ends the text.
- several lengths (no delete token, any order): try all of `candidate_lengths` in one forward, then
  take `best_length` of the scores.

Counts and scores only: knows no text and no canvas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from engine.config import CANVAS_LIMIT, CANVAS_SIZES
from engine.models.base import ModelSpec

LENGTHS = (4, 8, 16, 32, 64)
"""The lengths tried by a model that cannot close a gap by itself."""


def round_up(size: int) -> int:
    """The smallest of CANVAS_SIZES that holds `size` tokens. ValueError when none does."""
    for enough in CANVAS_SIZES:
        if size <= enough:
            return enough
    raise ValueError(f"{size} tokens do not fit a canvas of {CANVAS_LIMIT}")


def slots(
    spec: ModelSpec, *, gaps: int, anchors: int, single_line: bool, max_tokens: int | None = None
) -> list[int]:
    """The free slots of each gap, for a canvas that also holds `anchors` anchored tokens.

    A model with a delete token gets all the slots of a rounded canvas: it deletes what is too much.
    max_tokens: most slots in one gap, rounding included. ValueError when the anchors leave less
    than one slot for each gap.
    """
    room = CANVAS_LIMIT - anchors
    if gaps < 1 or room < gaps:
        raise ValueError(
            f"{anchors} anchored tokens and {gaps} gaps do not fit a canvas of {CANVAS_LIMIT}"
        )
    limit = room if max_tokens is None else max_tokens
    each = min(_wanted(spec, single_line), limit, room // gaps)
    if spec.delete_id is None:
        return [each] * gaps
    spare, remainder = divmod(round_up(anchors + gaps * each) - anchors, gaps)
    return [min(spare + (index < remainder), limit) for index in range(gaps)]


def _wanted(spec: ModelSpec, single_line: bool) -> int:
    """Slots of one gap, where nothing limits them."""
    if spec.delete_id is not None:
        return 16 if single_line else 40  # the least; rounding adds more
    if spec.reads_on:
        return 32 if single_line else 64  # a block; more blocks follow
    return 32 if single_line else LENGTHS[-1]


def candidate_lengths(spec: ModelSpec, limit: int) -> tuple[int, ...]:
    """The lengths worth a first step, ascending, none above `limit`.

    One length only, `limit`, for a model that can end a gap by itself.
    """
    if spec.delete_id is not None or spec.reads_on or spec.fills_with_eos:
        return (limit,)
    longest = min(limit, LENGTHS[-1])
    return (*(length for length in LENGTHS if length < longest), longest)


def length_score(logits: Tensor) -> list[float]:
    """For each variant, the mean over its slots of the most probable id's probability.

    logits: [B, R, V] of the free positions, from the first forward on pure noise.
    """
    surest = (logits.max(-1).values - logits.logsumexp(-1)).exp()
    scores: list[float] = surest.mean(1).tolist()
    return scores


def best_length(scores: Mapping[int, float]) -> int:
    """The length with the best calibrated score; of equals the shortest.

    Models are surer of short gaps whatever belongs there, so each score is divided by that bias,
    `0.56 exp(-0.06 L) + 0.24`: the fit published for Dream-Coder (CAL, arXiv 2602.00476), less its
    term for L < 4. Not fitted to any other model. ValueError when there is no score.
    """
    if not scores:
        raise ValueError("no length was scored")
    return max(
        sorted(scores),
        key=lambda length: scores[length] / (0.56 * math.exp(-0.06 * length) + 0.24),
    )
