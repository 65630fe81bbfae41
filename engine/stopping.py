"""When is a variant finished? Pure tests, one answer a row; the caller keeps the state."""

from __future__ import annotations

import torch
from torch import Tensor


def stable_and_confident(
    guess: Tensor, previous: Tensor | None, entropy: Tensor, stop_entropy: float
) -> Tensor:
    """Uniform noise: [B] bool, the guess is the last step's and the model is sure of it.

    guess, previous: [B, R] most probable ids at the free positions, now and a step ago (None: there
        was none, so nothing is stable).
    entropy: [B, R] nats, at the free positions only: anchors would dilute the mean.
    """
    if previous is None:
        return torch.zeros(guess.shape[0], dtype=torch.bool, device=guess.device)
    return (guess == previous).all(1) & (entropy.mean(1) < stop_entropy)


def nothing_masked(settled: Tensor) -> Tensor:
    """Absorbing noise: [B] bool, no position of `settled` [B, C] is masked, nor masked again."""
    return settled.all(1)
