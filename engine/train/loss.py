"""What training lowers: how surprised the model is by what belongs into the slots, and, so that it
forgets nothing, by each next token of the window."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.base import ModelSpec
from engine.models.block_llama import BlockLlama
from engine.train.batch import Batch, Noised
from engine.train.examples import WINDOW
from engine.train.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Loss:
    """Nats a token."""

    total: Tensor
    """What is differentiated."""
    denoise: Tensor
    """Weighted mean over slots."""
    causal: Tensor
    """Mean over the window's tokens that were drawn."""
    positions: int
    """Slots that counted."""


def loss_of(
    model: BlockLlama, hidden: Tensor, batch: Batch, noise: Noised, recipe: Recipe,
    generator: torch.Generator,
) -> Loss:  # fmt: skip
    """hidden [B, T, D] for the ids of `noise`. Logits are made only for tokens that count."""
    slots = noise.weight > 0
    drawn = torch.rand(slots.shape, generator=generator, device=slots.device)
    window = (batch.canvas == WINDOW) & (drawn < recipe.causal_share)
    window[:, 0] = False  # nothing stands before it
    denoise = _surprise(model, hidden, batch.ids, slots, model.spec)
    causal = _surprise(model, hidden, batch.ids, window, None)
    weight = noise.weight[slots]
    denoising = (denoise * weight).sum() / weight.sum().clamp_min(1e-6)
    predicting = causal.mean() if causal.numel() else hidden.sum() * 0
    total = denoising + recipe.causal_weight * predicting
    return Loss(total, denoising.detach(), predicting.detach(), int(slots.sum()))


def _surprise(
    model: BlockLlama, hidden: Tensor, ids: Tensor, chosen: Tensor, spec: ModelSpec | None
) -> Tensor:
    """Nats of each chosen token, in order. With `spec` its row is the one that the model answers a
    slot from; without, the row before, as for any next token."""
    rows, columns = chosen.nonzero(as_tuple=True)
    before = 1 if spec is None or spec.shift else 0
    logits = model.embedding.logits(hidden[rows, columns - before])
    return functional.cross_entropy(logits, ids[rows, columns], reduction="none")
