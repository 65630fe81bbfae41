"""Numbers to 4-bit groups, in the layout of `int4.py`, by least squares.

Correcting each column's error in those behind it (GPTQ) was tried on Qwen2.5-Coder-0.5B: products came
out nearer, by 10 to 40 %, and the next-token loss did not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from engine.models.int4 import ZERO_CODE, affine_of, pack_codes

GROUP = 32
HIGHEST = 15
"""Of the values that 4 bits hold."""
KEPT = (1.0, 0.95, 0.9)
"""Shares of a group's range that are tried, at each end: to cut off an outlier serves the others."""
REFITS = 2
NUMBERS_AT_ONCE = 2**18
"""So that what is tried stays in a CPU's caches."""
SCALE_STEPS, ZERO_STEPS = 255, 127


@dataclass(frozen=True, slots=True)
class Int4Matrix:
    """A matrix [N, K] as files hold it."""

    codes: Tensor
    """uint8 [N / 64, K, 32]."""
    scale: Tensor
    """uint8 [K / group, N], in steps of the row's unit."""
    zero: Tensor
    """int8 [K / group, N], likewise."""
    unit: Tensor
    """float16 [2, N]: of scale and zero."""

    def parts(self, stem: str) -> dict[str, Tensor]:
        """By the names that files give them."""
        named = {"int4": self.codes, "scale": self.scale, "zero": self.zero, "unit": self.unit}
        return {f"{stem}.{name}": tensor for name, tensor in named.items()}


def quantize(weight: Tensor) -> Int4Matrix:
    """`weight` [N, K] in 4 bits."""
    weight = weight.float()
    count = max(1, NUMBERS_AT_ONCE // weight.shape[1])
    stored = [_fit(rows) for rows in torch.split(weight, count)]
    scale_steps, zero_steps, unit = (torch.cat(each) for each in zip(*stored, strict=True))
    parts = (scale_steps.t().contiguous(), zero_steps.t().contiguous(), unit.t().contiguous())
    scale, zero = (each.float().t() for each in affine_of(*parts))
    few = zip(*(torch.split(each, count) for each in (weight, scale, zero)), strict=True)
    codes = torch.cat([_codes(_grouped(rows), *each).byte().flatten(1) for rows, *each in few])
    return Int4Matrix(pack_codes(codes), *parts)


def _fit(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For `rows` [n, K]: steps of scale uint8 and of zero int8 [n, K / GROUP], and units [n, 2]."""
    groups = _grouped(rows)
    low, high, mean = groups.amin(2), groups.amax(2), groups.mean(2)
    least = torch.full_like(low, torch.inf)
    best_scale, best_zero = torch.ones_like(low), torch.zeros_like(low)
    for kept_low, kept_high in product(KEPT, KEPT):
        scale = ((high * kept_high - low * kept_low) / HIGHEST).clamp_min(1e-8)
        zero = low * kept_low + ZERO_CODE * scale
        for refit in range(1 + REFITS):
            codes = _codes(groups, scale, zero).sub_(ZERO_CODE)
            error = (codes * scale[..., None]).add_(zero[..., None]).sub_(groups).square_()
            total = error.sum(2)
            better = total < least
            least = torch.where(better, total, least)
            best_scale = torch.where(better, scale, best_scale)
            best_zero = torch.where(better, zero, best_zero)
            if refit < REFITS:
                # The scale and zero that restore the groups best from these codes.
                mean_code = codes.mean(2)
                codes.sub_(mean_code[..., None])
                scale = (codes * groups).mean(2)
                scale = (scale / codes.square_().mean(2).clamp_min(1e-9)).clamp_min(1e-8)
                zero = mean - scale * mean_code
    most = torch.stack((best_scale.amax(1), best_zero.abs().amax(1)), 1)
    units = most / torch.tensor([SCALE_STEPS, ZERO_STEPS])
    units = units.clamp_min(torch.finfo(torch.float16).tiny).half().float()
    scale_steps = (best_scale / units[:, :1]).round_().clamp_(1, SCALE_STEPS)
    zero_steps = (best_zero / units[:, 1:]).round_().clamp_(-ZERO_STEPS, ZERO_STEPS)
    return scale_steps.to(torch.uint8), zero_steps.to(torch.int8), units.half()


def _grouped(rows: Tensor) -> Tensor:
    """[n, K / GROUP, GROUP] of [n, K]."""
    return rows.reshape(len(rows), -1, GROUP)


def _codes(groups: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """The nearest of the 16 values of `groups` [n, K / GROUP, GROUP], 0 to 15, as float."""
    steps = (groups - zero[..., None]).div_(scale[..., None])
    return steps.round_().add_(ZERO_CODE).clamp_(0, HIGHEST)
