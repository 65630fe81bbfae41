"""What training lowers: how surprised the model is by what belongs into the slots, and, so that it
forgets nothing, by each next token of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from engine.models.base import ModelSpec
from engine.models.block_llama import BlockLlama
from engine.train.batch import Batch, Noised
from engine.train.recipe import Recipe


class Loss(NamedTuple):
    """Nats a token."""

    total: Tensor
    """What is differentiated."""
    denoise: Tensor
    """Weighted mean over slots."""
    causal: Tensor
    """Mean over the window's tokens that were drawn."""


def loss_of(
    model: BlockLlama, hidden: Tensor, batch: Batch, noise: Noised, recipe: Recipe,
    across: Callable[[Tensor], Tensor] = lambda mean: mean,
) -> Loss:  # fmt: skip
    """hidden [B, T, D] for the ids of `noise`. Logits are made only for tokens that count.

    across: the mean of a number over all devices that share a step's rows, so that the mean of their
        losses is the loss of all rows.
    """
    slots = noise.weight > 0
    denoise = _surprise(model, hidden, batch.ids, slots, model.spec)
    causal = _surprise(model, hidden, batch.ids, noise.predicted, None)
    weight = noise.weight[slots]
    denoising = (denoise * weight).sum() / across(weight.sum()).clamp_min(1e-6)
    predicting = causal.sum() / across(noise.predicted.sum().float()).clamp_min(1.0)
    total = denoising + recipe.causal_weight * predicting
    return Loss(total, denoising.detach(), predicting.detach())


def _surprise(
    model: BlockLlama, hidden: Tensor, ids: Tensor, chosen: Tensor, spec: ModelSpec | None
) -> Tensor:
    """Nats of each chosen token, in order. With `spec` its row is the one that the model answers a
    slot from; without, the row before, as for any next token."""
    rows, columns = chosen.nonzero(as_tuple=True)
    before = 1 if spec is None or spec.shift else 0
    logits = model.embedding.logits(hidden[rows, columns - before])
    return functional.cross_entropy(logits, ids[rows, columns], reduction="none")
