"""Accept and renoise: one pure function for each kind of noise.

Logits in, canvas out; what a step must know of the last one is passed in and returned. Works on the
positions that were asked for, so it never sees an anchor, and on all variants at once. Knows no
model, no loop and no text. Shapes: B variants, R asked positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.models.base import ModelSpec, Order


@dataclass(frozen=True, slots=True)
class MaskSampling:
    """How a model with absorbing noise is sampled."""

    mask_id: int
    order: Order = "any"
    eos_ids: tuple[int, ...] = ()
    temperature: float = 0.7
    """Of the variants after the first; the first is greedy."""
    threshold: float = 0.9
    """A masked slot is accepted when its token has at least this probability."""
    remask_below: float = 0.1
    """An accepted token whose fresh probability is less is masked again, once. 0: never."""
    left_bias: float = 0.0
    """Taken from the confidence for each position further right, when the most confident slots are
    chosen. 0: no preference. The threshold is not touched by it."""


@dataclass(frozen=True, slots=True)
class UniformSampling:
    """How a model with uniform noise is sampled. Defaults are DiffusionGemma's own.

    Every variant follows the same temperatures, the first too: renoising needs samples."""

    vocab_size: int
    hottest: float = 0.8
    """Temperature of the first step; falls linearly."""
    coldest: float = 0.4
    entropy_bound: float = 0.1
    """Nats. Positions are accepted, surest first, while the entropy before them is at most this."""
    stop_entropy: float = 0.005
    """Nats. Mean over the free positions below which a draft that no longer changes is done."""


Sampling = MaskSampling | UniformSampling


@dataclass(frozen=True, slots=True)
class Constraint:
    """One position may only become one of these ids. Stronger than a ban."""

    position: int
    """Of the canvas."""
    ids: Tensor
    """[n] int64, n >= 1."""


def sampling_for(spec: ModelSpec) -> Sampling:
    """The defaults for a model."""
    raise NotImplementedError


def bans_for(spec: ModelSpec, more: Sequence[int] = ()) -> Tensor:
    """[V] float32 to add to logits: -inf at ids that are never sampled, and at `more`."""
    raise NotImplementedError
