"""Matrices as the 4-bit groups that `weights.py` describes, and back."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

GROUP = 32
"""Columns that share a scale and a minimum in `.q4`."""
HIGHEST = 15
"""Of the values that 4 bits hold."""
KEPT = (1.0, 0.96, 0.92, 0.88)
"""Shares of a group's range that are tried, at each end: to cut off an outlier serves the others."""
REFITS = 2
GROUPS_AT_ONCE = 2**16
"""So that what is tried stays in a CPU's caches."""


def pack_q4(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`weight` [N, K] as 4-bit groups: packed, scale and minimum, shaped as `weights.py` says.

    Scale and minimum of each group are searched for the least squared error: a fifth less than what
    the group's smallest and largest number alone would give. What `unpack_q4` makes of the result
    is packed into the same bytes again (unless the numbers of a group differ by less than a
    thousandth of their size, which weights do not).
    """
    rows, columns = weight.shape
    groups = weight.detach().float().reshape(-1, GROUP)
    parts = [_fit(part) for part in torch.split(groups, GROUPS_AT_ONCE)]
    codes, scale, minimum = (torch.cat(each) for each in zip(*parts, strict=True))
    low, high = codes.chunk(2, 1)
    return (
        (low | high << 4).view(rows, columns // 2),
        scale.view(rows, columns // GROUP),
        minimum.view(rows, columns // GROUP),
    )


def unpack_q4(packed: Tensor, scale: Tensor, minimum: Tensor) -> Tensor:
    """float32 [N, K] of 4-bit groups; the shapes are in `weights.py`'s text."""
    groups = packed.view(packed.shape[0], -1, GROUP // 2)
    values = torch.cat((groups & 15, groups >> 4), -1).float()
    values = torch.addcmul(minimum.float()[..., None], values, scale.float()[..., None])
    return values.flatten(1)


def _fit(groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For `groups` [G, 32]: uint8 codes [G, 32], float16 scale [G] and minimum [G]."""
    low, high = groups.aminmax(dim=1)
    best = torch.full_like(low, torch.inf)
    best_scale, best_minimum = torch.zeros_like(low), low
    for kept_low, kept_high in product(KEPT, KEPT):
        minimum = torch.lerp(high, low, kept_low)
        scale = (torch.lerp(low, high, kept_high) - minimum) / HIGHEST
        for _ in range(1 + REFITS):
            scale, minimum = scale.half().float(), minimum.half().float()
            codes = _codes(groups, scale, minimum)
            restored = torch.addcmul(minimum[:, None], codes, scale[:, None])
            error = (restored - groups).square_().sum(1)
            # Only ranges that are used to both ends: they are found again in what is restored.
            used = (codes.amin(1) == 0) & (codes.amax(1) == HIGHEST)
            better = (error < best) & (used | best.isinf())
            best = torch.where(better, error, best)
            best_scale = torch.where(better, scale, best_scale)
            best_minimum = torch.where(better, minimum, best_minimum)
            scale, minimum = _least_squares(groups, codes)
    codes = _codes(groups, best_scale, best_minimum)
    return codes.to(torch.uint8), best_scale.half(), best_minimum.half()


def _codes(groups: Tensor, scale: Tensor, minimum: Tensor) -> Tensor:
    """The nearest of the 16 values, as float; all 0 where the scale is 0."""
    step = scale.masked_fill(scale == 0, torch.inf)
    return (groups - minimum[:, None]).div_(step[:, None]).round_().clamp_(0, HIGHEST)


def _least_squares(groups: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """The scale and minimum that restore `groups` best from `codes`."""
    mean = groups.mean(1)
    mean_code = codes.mean(1)
    off = codes - mean_code[:, None]
    scale = (off * groups).sum(1) / off.square().sum(1).clamp_(min=1e-9)
    return scale, mean - scale * mean_code
