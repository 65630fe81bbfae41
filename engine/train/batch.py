"""Rows side by side, the noise in their slots, and who sees whom. Shapes: B rows, T tokens each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.canvas import LATER
from engine.models.base import ModelSpec
from engine.train.examples import PADDING, UNDECIDED, WINDOW, Row
from engine.train.recipe import Recipe

FIELDS = ("ids", "canvas", "position", "seen", "turn", "free")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as tensors, see `Row`. Each [B, T]."""

    ids: Tensor
    canvas: Tensor
    position: Tensor
    seen: Tensor
    turn: Tensor
    free: Tensor

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Batch:
        def stacked(name: str) -> Tensor:
            return torch.from_numpy(np.stack([getattr(row, name) for row in rows]))

        return cls(*(stacked(name) for name in FIELDS))

    def to(self, device: torch.device) -> Batch:
        return Batch(*(each.to(device, non_blocking=True) for each in self._tensors()))

    def rows(self, first: int, step: int) -> Batch:
        """Every `step`-th row from `first` on."""
        return Batch(*(each[first::step] for each in self._tensors()))

    def _tensors(self) -> tuple[Tensor, ...]:
        return tuple(getattr(self, name) for name in FIELDS)


@dataclass(frozen=True, slots=True)
class Noised:
    """What the model is shown, and how much each slot's answer counts. Each [B, T]."""

    ids: Tensor
    turn: Tensor
    """int64, see `canvas.turns`."""
    weight: Tensor
    """float32; 0 where there is no slot."""
    predicted: Tensor
    """bool. Tokens of the window whose next-token loss counts."""

    def rows(self, first: int, step: int) -> Noised:
        """Those of `Batch.rows`."""
        every = slice(first, None, step)
        return Noised(self.ids[every], self.turn[every], self.weight[every], self.predicted[every])


def noised(batch: Batch, spec: ModelSpec, recipe: Recipe, generator: torch.Generator) -> Noised:
    """Take the right tokens away from slots of canvases that are filled in any order.

    Each such canvas loses the share of its slots that it draws, or all of them
    (`Recipe.all_noise`). Lost slots show the mask token, or with uniform noise any token.
    Of the others a few show a wrong token, one from elsewhere in the batch: a likelier mistake than a
    random word.
    """
    device, shape = batch.ids.device, batch.ids.shape

    def chance(*size: int) -> Tensor:
        return torch.rand(size, generator=generator, device=device)

    most = shape[1]  # canvases of a row, more than there can be
    share = chance(shape[0], most)
    share = torch.where(chance(shape[0], most) < recipe.all_noise, 1.0, share)
    place = chance(*shape)
    undecided = batch.turn == UNDECIDED
    lost = undecided & (place < _of_canvas(share, batch))
    wrong = undecided & ~lost & (chance(*shape) < recipe.wrong)
    turn = torch.where(undecided, 0, batch.turn)
    elsewhere = torch.randint(batch.ids.numel(), shape, generator=generator, device=device)
    ids = torch.where(wrong, batch.ids.flatten()[elsewhere], batch.ids)
    if spec.noise == "mask":
        assert spec.mask_id is not None
        ids = ids.masked_fill(lost, spec.mask_id)
        turn = turn.masked_fill(lost, LATER)
    else:
        words = torch.randint(spec.vocab_size, shape, generator=generator, device=device)
        ids = torch.where(lost, words, ids)
    weight = torch.where(undecided & ~lost & ~wrong, recipe.visible_weight, 1.0)
    deleted = undecided & (batch.ids == spec.delete_id)
    weight = torch.where(deleted, weight * recipe.delete_weight, weight)
    predicted = (batch.canvas == WINDOW) & (chance(*shape) < recipe.causal_share)
    predicted[:, 0] = False  # nothing stands before it
    return Noised(ids, turn, weight * batch.free, predicted)


def _of_canvas(values: Tensor, batch: Batch) -> Tensor:
    """[B, T]: each token's canvas's value, of [B, canvases]; anything where there is no canvas."""
    return values.gather(1, batch.canvas.clamp_min(0))


def sees(batch: Batch, turn: Tensor) -> Tensor:
    """[B, T, T] bool: token q (second axis) sees token k (third). turn: [B, T], see `Noised`.

    The window is causal. A canvas sees of itself what its turns allow (`canvas.turns`), and of the
    window what stands before it; nobody sees a canvas from outside. Padding sees itself, since a row
    of a softmax must see something.
    """
    order = torch.arange(batch.ids.shape[1], device=batch.ids.device)
    return may_see(
        batch.canvas[:, :, None], batch.seen[:, :, None], turn[:, :, None], order[:, None],
        batch.canvas[:, None, :], turn[:, None, :], order,
    )  # fmt: skip


def may_see(
    canvas_q: Tensor, seen_q: Tensor, turn_q: Tensor, q: Tensor,
    canvas_k: Tensor, turn_k: Tensor, k: Tensor,
) -> Tensor:  # fmt: skip
    """The rule of `sees` for tokens q and k, elementwise, as FlexAttention asks it too."""
    causal = (canvas_q == WINDOW) & (canvas_k == WINDOW) & (k <= q)
    prompt = (canvas_q > WINDOW) & (canvas_k == WINDOW) & (k < seen_q)
    canvas = (canvas_q > WINDOW) & (canvas_k == canvas_q) & (turn_k <= turn_q)
    padding = (canvas_q == PADDING) & (k == q)
    return causal | prompt | canvas | padding
