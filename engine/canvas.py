"""The canvas: token ids and a mask of which of them may change.

Layout: `[left anchor][slots of gap 0]([between][slots of gap 1])…[right anchor]`, at most 256
tokens. Training lays out its examples with the same functions, so nothing here knows a request, a
model's weights or how slots are filled. Shapes: B variants, C positions, F free positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.config import CANVAS_LIMIT
from engine.models.base import ModelSpec

LATER = 1 << 20
"""The turn of what is not known yet."""


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
        return self.ids.shape[0]

    @property
    def gaps(self) -> int:
        """How many gaps there are."""
        return int(self.gap.max()) + 1

    @property
    def slots(self) -> Tensor:
        """[F] int64, the free positions, ascending."""
        return self.free.nonzero().squeeze(1)

    def to(self, device: torch.device) -> Canvas:
        """The same canvas on another device."""
        return Canvas(self.ids.to(device), self.free.to(device), self.gap.to(device))


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
    if not gaps or min(gaps) < 1:
        raise ValueError(f"every gap needs at least 1 slot, not {list(gaps)}")
    if len(between) != len(gaps) - 1:
        raise ValueError(f"{len(gaps)} gaps have {len(gaps) - 1} texts between, not {len(between)}")
    if spec.shift and not left:
        raise ValueError(f"model {spec.name!r} predicts the next token: it needs a left anchor")

    ids, gap = list(left), [-1] * len(left)
    for index, slots in enumerate(gaps):
        after = right if index == len(between) else between[index]
        ids += [0] * slots + list(after)
        gap += [index] * slots + [-1] * len(after)
    if len(ids) > CANVAS_LIMIT:
        raise ValueError(
            f"{len(ids)} tokens do not fit a canvas of {CANVAS_LIMIT}: "
            f"{sum(gaps)} slots and {len(ids) - sum(gaps)} anchored"
        )

    device = generator.device if generator is not None else torch.device("cpu")
    gap_of = torch.tensor(gap, device=device)
    anchored = Canvas(torch.tensor(ids, device=device), gap_of >= 0, gap_of)
    return Canvas(noisy(anchored, spec, generator), anchored.free, anchored.gap)


def noisy(canvas: Canvas, spec: ModelSpec, generator: torch.Generator | None) -> Tensor:
    """[C] ids: the anchors of `canvas`, and pure noise in its slots."""
    if spec.noise == "mask":
        assert spec.mask_id is not None  # ModelSpec holds that
        return canvas.ids.masked_fill(canvas.free, spec.mask_id)
    if generator is None:
        raise ValueError(f"model {spec.name!r} has uniform noise: it needs a generator")
    noise = torch.randint(
        spec.vocab_size, (1, canvas.size), generator=generator, device=canvas.ids.device
    )
    return clamp(noise, canvas)[0]


def turns(ids: Tensor, canvas: Canvas, spec: ModelSpec) -> Tensor | None:
    """[B, C] int64: when each position of `ids` [B, C] became known. A position sees those whose turn
    is not later than its own. None: all see all (uniform noise, where nothing is ever known).

    - any order: anchors and accepted tokens at 0, masks LATER. So only masks see masks: a mask says
      nothing but that something stands there, and throws a model off that has not learned it.
    - left to right: anchors at 0, on both sides of the gap, and its slots one after another, so that
      what was computed for a slot stays true as the next ones are filled. Of several gaps only the
      first that has masks is filled in this way: those before it count as anchors, those after it and
      slots that are not needed are not seen.
    - left to right without a delete token, a model that cannot be told what follows: one by one.
    """
    if spec.noise != "mask":
        return None
    assert spec.mask_id is not None  # ModelSpec holds that
    masked = torch.eq(ids, spec.mask_id)
    if spec.order == "any":
        return masked * LATER
    order = torch.arange(1, canvas.size + 1, device=ids.device)
    if spec.reads_on:
        return order.expand_as(ids)
    unfilled = torch.where(masked, canvas.gap, LATER).amin(1, keepdim=True)  # the gap to fill
    turn = order * (canvas.gap == unfilled)
    unseen = (canvas.gap > unfilled) | (canvas.free & (ids == spec.delete_id))
    return turn.masked_fill(unseen, LATER)


def side_by_side(canvases: Sequence[Canvas], spec: ModelSpec) -> tuple[Tensor, Tensor, Tensor]:
    """Canvases of several sizes as the lines of one batch: their ids [B, C], the positions of their
    slots [B, F], of which the last is repeated, and turns [B, C] by which nothing sees the padding.
    """
    width, count = max(each.size for each in canvases), max(len(each.slots) for each in canvases)
    ids, rows, turn = [], [], []
    for canvas in canvases:
        slots, padding = canvas.slots, (0, width - canvas.size)
        known = turns(canvas.ids[None], canvas, spec)
        known = torch.zeros_like(canvas.ids) if known is None else known[0]
        ids.append(functional.pad(canvas.ids, padding))
        rows.append(functional.pad(slots, (0, count - len(slots)), value=int(slots[-1])))
        turn.append(functional.pad(known, padding, value=LATER + 1))
    return torch.stack(ids), torch.stack(rows), torch.stack(turn)


def clamp(ids: Tensor, canvas: Canvas) -> Tensor:
    """`ids` [B, C] with every anchor put back."""
    return torch.where(canvas.free, ids, canvas.ids)


def reached(flags: Tensor, canvas: Canvas) -> Tensor:
    """[B, C] bool: the slots at and after the first of `flags` [B, C] in their own gap."""
    order = torch.arange(canvas.size, device=canvas.free.device)
    # [C, C]: position i is not after position j, and both are slots of one gap.
    reaches = (order[:, None] <= order) & (canvas.gap[:, None] == canvas.gap) & canvas.free
    return (flags.float() @ reaches.float()) > 0


def kept(ids: Tensor, canvas: Canvas, spec: ModelSpec) -> Tensor:
    """[B, C] bool: the slots whose ids are text, which is what `read` returns.

    Each gap is cut at its first end-of-text and at its first mask (nothing is known from there on);
    delete tokens are left out.
    """
    ends = (*spec.eos_ids, *(() if spec.mask_id is None else (spec.mask_id,)))
    text = canvas.free & ~reached(_any_of(ids, ends), canvas)
    return text if spec.delete_id is None else text & (ids != spec.delete_id)


def read(
    ids: Tensor, canvas: Canvas, spec: ModelSpec, cuts: Tensor | None = None
) -> list[list[list[int]]]:
    """For each variant, for each gap, the ids that `ids` [B, C] says: those at `kept`, up to the
    first of `cuts` [B, C], if given."""
    text = kept(ids, canvas, spec)
    return _by_gap(ids, text if cuts is None else text & ~reached(cuts, canvas), canvas)


def settled_head(
    ids: Tensor, settled: Tensor, canvas: Canvas, spec: ModelSpec, gap: int = 0
) -> list[list[int]]:
    """For each variant, what `read` gives for one gap, up to its first slot that is still noise."""
    head = kept(ids, canvas, spec) & ~reached(~settled, canvas)
    return [row[gap] for row in _by_gap(ids, head, canvas)]


def closed(ids: Tensor, canvas: Canvas, spec: ModelSpec) -> list[list[bool]]:
    """For each variant, for each gap: did the model say that the text ends inside the gap?

    True when `ids` [B, C] hold an end-of-text or a delete token there. Where false, the text may go
    on in another block.
    """
    ends = (*spec.eos_ids, *(() if spec.delete_id is None else (spec.delete_id,)))
    flags = _any_of(ids, ends)
    return [[bool(row[canvas.gap == gap].any()) for gap in range(canvas.gaps)] for row in flags]


def _any_of(ids: Tensor, wanted: Sequence[int]) -> Tensor:
    return torch.isin(ids, torch.tensor(wanted, dtype=ids.dtype, device=ids.device))


def _by_gap(ids: Tensor, chosen: Tensor, canvas: Canvas) -> list[list[list[int]]]:
    """The chosen [B, C] of `ids` [B, C], for each variant and gap."""
    return [
        [row[mask & (canvas.gap == gap)].tolist() for gap in range(canvas.gaps)]
        for row, mask in zip(ids, chosen, strict=True)
    ]
