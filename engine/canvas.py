"""The canvas: token ids and a mask of which of them may change.

Layout: `[left anchor][slots of gap 0]([between][slots of gap 1])…[right anchor]`, at most 256
tokens. Training lays out its examples with the same functions, so nothing here knows a request, a
device's clock, a model's weights or how slots are filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.models.base import ModelSpec


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where a fill starts: anchors, and free slots that hold noise."""

    ids: Tensor
    """[C] int64."""
    free: Tensor
    """[C] bool. True: a slot. False: an anchor, which never changes."""
    gap: Tensor
    """[C] int64, the gap a slot belongs to; -1 at anchors."""

    @property
    def size(self) -> int:
        """C, the tokens of the canvas, anchors included."""
        raise NotImplementedError

    @property
    def gaps(self) -> int:
        """How many gaps there are."""
        raise NotImplementedError

    @property
    def slots(self) -> Tensor:
        """[F] int64, the free positions, ascending."""
        raise NotImplementedError

    def to(self, device: torch.device) -> Canvas:
        """The same canvas on another device."""
        raise NotImplementedError


def build(
    left: Sequence[int],
    gaps: Sequence[int],
    between: Sequence[Sequence[int]],
    right: Sequence[int],
    spec: ModelSpec,
    generator: torch.Generator | None = None,
) -> Canvas:
    """Lay out a canvas of exactly this content, on the generator's device (none: the CPU).

    left, right: ids of the outer anchors. A model with `spec.shift` needs at least one id in `left`.
    gaps: the free slots of each gap, each at least 1.
    between: the ids between gap i and gap i+1, so one fewer than `gaps`; may be empty lists.
    generator: draws the noise of a model with uniform noise, which needs it; mask noise needs none.
    Raises ValueError, with the numbers, when this is not a canvas.
    """
    raise NotImplementedError


def clamp(ids: Tensor, canvas: Canvas) -> Tensor:
    """`ids` [B, C] with every anchor put back."""
    raise NotImplementedError


def read(ids: Tensor, canvas: Canvas, spec: ModelSpec) -> list[list[list[int]]]:
    """For each variant, for each gap, the ids that `ids` [B, C] says.

    Cut at the gap's first end-of-text and at its first mask (nothing is known from there on);
    delete tokens are left out.
    """
    raise NotImplementedError


def settled_head(
    ids: Tensor, settled: Tensor, canvas: Canvas, spec: ModelSpec, gap: int = 0
) -> list[list[int]]:
    """For each variant, what `read` gives for one gap, up to its first slot that is still noise."""
    raise NotImplementedError


def closed(ids: Tensor, canvas: Canvas, spec: ModelSpec) -> list[list[bool]]:
    """For each variant, for each gap: did the model say that the text ends inside the gap?

    True when `ids` [B, C] hold an end-of-text or a delete token there. Where false, the text may go
    on in another block.
    """
    raise NotImplementedError
