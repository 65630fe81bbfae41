"""The denoising loop: a canvas in, a full draft after each forward out.

A generator over tensors, so whoever runs it can show a draft, stop, or measure between two steps.
Knows no text, no clock, no configuration, and of the model only a function that gives logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.canvas import Canvas
from engine.sampler import Constraint, Sampling

Forward = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(canvas [B, C], rows [B, R], signal or None) → logits [B, R, V]."""


@dataclass(frozen=True, slots=True)
class Step:
    """All variants after one forward."""

    index: int
    """From 0; `index + 1` forwards have been made."""
    ids: Tensor
    """[B, C]. The draft: anchors, accepted tokens, and the model's guess at slots still noise. A
    left-to-right model has no guess; `mask_id` stands there, and `canvas.read` stops at it."""
    confidence: Tensor
    """[B, C] float32. Probability of the token when it was accepted; 0 where still noise, 1 at
    anchors."""
    settled: Tensor
    """[B, C] bool. False: still noise. All true in the step that used up `max_steps`."""
    done: Tensor
    """[B] bool. The row is finished and will not change any more."""


def denoise(
    forward: Forward,
    canvas: Canvas,
    sampling: Sampling,
    generator: torch.Generator,
    *,
    variants: int = 1,
    bans: Tensor | None = None,
    constraints: Sequence[Constraint] = (),
    max_steps: int,
) -> Iterator[Step]:
    """Refine the canvas; one Step for each forward.

    forward: called with rows [B, R], the positions whose logits are wanted: every free one, or for
        a left-to-right model the leftmost masked one of each variant (R = 1). Its third argument is
        the last step's scaled logits [B, R, V] (uniform noise only, None in the first step).
    generator: on the canvas's device. The same seed gives the same steps.
    bans: [V], added to the logits; the mask id is always banned.
    max_steps: most forwards. A left-to-right model makes as many as it has slots, if that is more.
    Ends when every row is done or the forwards are used up, whichever comes first.
    """
    raise NotImplementedError
