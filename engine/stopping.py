"""When is a variant finished? Pure tests, one answer a row; the caller keeps the state."""

from __future__ import annotations

from torch import Tensor


def stable_and_confident(
    guess: Tensor, previous: Tensor | None, entropy: Tensor, stop_entropy: float
) -> Tensor:
    """Uniform noise: [B] bool, the guess is the last step's and the model is sure of it.

    guess, previous: [B, R] most probable ids at the free positions, now and a step ago (None: there
        was none, so nothing is stable).
    entropy: [B, R] nats, at the free positions only: anchors would dilute the mean.
    """
    raise NotImplementedError


def nothing_masked(settled: Tensor) -> Tensor:
    """Absorbing noise: [B] bool, no slot of `settled` [B, R] is masked, nor was masked again."""
    raise NotImplementedError
