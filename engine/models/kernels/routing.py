"""From a router's scores to experts and weights, and from these to the order in which experts take
rows: one launch each. The twins are `plain.route` and `plain.order`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Places that are looked at once for an expert's rows."""


def route(
    scores: Tensor, factor: float, expert_scale: Tensor, chosen: int
) -> tuple[Tensor, Tensor]:
    """See `plain.route`."""
    count, size = scores.shape
    experts = scores.new_empty(count, chosen, dtype=torch.int64)
    weights = scores.new_empty(count, chosen, dtype=torch.float32)
    _route[(count,)](
        scores, factor, expert_scale, experts, weights, size, CHOSEN=chosen,
        ALL=triton.next_power_of_2(size), ROOM=triton.next_power_of_2(chosen), num_warps=1,
    )  # fmt: skip
    return experts, weights


def order(chosen: Tensor, experts: int) -> tuple[Tensor, Tensor]:
    """See `plain.order`."""
    places = torch.empty_like(chosen).flatten()
    ends = chosen.new_empty(experts)
    _order[(experts,)](chosen.contiguous(), places, ends, places.shape[0], BLOCK)
    return places, ends


@triton.jit
def _route(
    scores, factor, expert_scale, experts, weights, size,
    CHOSEN: tl.constexpr, ALL: tl.constexpr, ROOM: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    each, slot = tl.arange(0, ALL), tl.arange(0, ROOM)
    score = tl.load(scores + row * size + each, mask=each < size, other=float("-inf"))
    score = score.to(tl.float32) * factor
    largest = tl.max(score, 0)
    best = tl.zeros([ROOM], tl.int32)
    weight = tl.zeros([ROOM], tl.float32)
    for index in range(CHOSEN):
        top, expert = tl.max(score, 0, return_indices=True)
        best = tl.where(slot == index, expert, best)
        weight = tl.where(slot == index, tl.exp(top - largest), weight)
        score = tl.where(each == expert, float("-inf"), score)
    # What the others' probabilities are falls out where those of the chosen are to add up to 1.
    weight /= tl.sum(weight, 0)
    weight *= tl.load(expert_scale + best).to(tl.float32)
    real = slot < CHOSEN
    tl.store(experts + row * CHOSEN + slot, best.to(tl.int64), mask=real)
    tl.store(weights + row * CHOSEN + slot, weight, mask=real)


# Compiled once, not anew for numbers of rows that happen to divide by 16.
@triton.jit(do_not_specialize=["count"])
def _order(chosen, places, ends, count, BLOCK: tl.constexpr):
    """For one expert: how many places go to those before it, then its own behind them."""
    own = tl.program_id(0)
    place = tl.arange(0, BLOCK)
    end = own * 0
    for start in range(0, count, BLOCK):
        expert = tl.load(chosen + start + place, mask=start + place < count, other=own)
        end += tl.sum((expert < own).to(tl.int32), 0)
    for start in range(0, count, BLOCK):
        expert = tl.load(chosen + start + place, mask=start + place < count, other=-1)
        mine = (expert == own).to(tl.int32)
        tl.store(places + end + tl.cumsum(mine, 0) - 1, (start + place).to(tl.int64), mask=mine > 0)
        end += tl.sum(mine, 0)
    tl.store(ends + own, end.to(tl.int64))
