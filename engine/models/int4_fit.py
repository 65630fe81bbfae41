"""Numbers to 4-bit groups, in the layout of `int4.py`: least squares, and where it is known what a matrix
is multiplied with, with each column's error made good in those behind it (GPTQ, arXiv 2210.17323).
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
ROWS_AT_ONCE = 512
"""So that what is tried stays in a CPU's caches."""
DAMPING = 0.01
"""Added to the second moments' diagonal, of its mean: columns that the sample hardly used stay tame."""
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
    """float32 [2, N]: of scale and zero."""

    def parts(self, stem: str) -> dict[str, Tensor]:
        """By the names that files give them."""
        named = {"int4": self.codes, "scale": self.scale, "zero": self.zero, "unit": self.unit}
        return {f"{stem}.{name}": tensor for name, tensor in named.items()}


def quantize(weight: Tensor, moments: Tensor | None = None) -> Int4Matrix:
    """`weight` [N, K] in 4 bits.

    moments: float32 [K, K], the sum of x x' over rows x that the matrix is multiplied with: then the
    product's error is made small, not the numbers'. It takes minutes for large K.
    """
    importance = None if moments is None else moments.diagonal()
    stored = [_fit(rows, importance) for rows in weight.float().split(ROWS_AT_ONCE)]
    scale_steps, zero_steps, unit = (torch.cat(each) for each in zip(*stored, strict=True))
    parts = (scale_steps.t().contiguous(), zero_steps.t().contiguous(), unit.t().contiguous())
    scale, zero = (each.float().t() for each in affine_of(*parts))
    if moments is None:
        codes = _codes(weight.float().view(len(weight), -1, GROUP), scale, zero).flatten(1)
    else:
        codes = _codes_by_moments(weight.float(), scale, zero, moments)
    return Int4Matrix(pack_codes(codes), *parts)


def _fit(rows: Tensor, importance: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """For `rows` [n, K]: steps of scale uint8 and of zero int8 [n, K / GROUP], and units [n, 2]."""
    groups = rows.reshape(len(rows), -1, GROUP)
    weights = torch.ones(rows.shape[1]) if importance is None else importance / importance.mean()
    weights = weights.clamp_min(1e-6).view(1, -1, GROUP).expand_as(groups)
    low, high = groups.amin(2), groups.amax(2)
    least = torch.full_like(low, torch.inf)
    best_scale, best_zero = torch.ones_like(low), torch.zeros_like(low)
    for kept_low, kept_high in product(KEPT, KEPT):
        scale = ((high * kept_high - low * kept_low) / HIGHEST).clamp_min(1e-8)
        zero = low * kept_low + ZERO_CODE * scale
        for _ in range(1 + REFITS):
            codes = _codes(groups, scale, zero) - ZERO_CODE
            error = (codes * scale[..., None] + zero[..., None] - groups).square_()
            total = error.mul_(weights).sum(2)
            better = total < least
            least = torch.where(better, total, least)
            best_scale = torch.where(better, scale, best_scale)
            best_zero = torch.where(better, zero, best_zero)
            scale, zero = _least_squares(groups, codes, weights)
    units = torch.stack(
        (best_scale.amax(1) / SCALE_STEPS, best_zero.abs().amax(1).clamp_min(1e-12) / ZERO_STEPS), 1
    )
    scale_steps = (best_scale / units[:, :1]).round_().clamp_(1, SCALE_STEPS)
    zero_steps = (best_zero / units[:, 1:]).round_().clamp_(-ZERO_STEPS, ZERO_STEPS)
    return scale_steps.to(torch.uint8), zero_steps.to(torch.int8), units


def _codes(groups: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """The nearest of the 16 values of `groups` [n, K / GROUP, GROUP], 0 to 15, as float."""
    steps = (groups - zero[..., None]) / scale[..., None]
    return steps.round_().add_(ZERO_CODE).clamp_(0, HIGHEST)


def _least_squares(groups: Tensor, codes: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The scale and zero that restore `groups` best from `codes`, errors counted by `weights`."""
    share = weights / weights.sum(2, keepdim=True)
    mean, mean_code = (groups * share).sum(2), (codes * share).sum(2)
    off = codes - mean_code[..., None]
    scale = (off * groups * share).sum(2) / (off.square() * share).sum(2).clamp_min(1e-9)
    scale = scale.clamp_min(1e-8)
    return scale, mean - scale * mean_code


def _codes_by_moments(weight: Tensor, scale: Tensor, zero: Tensor, moments: Tensor) -> Tensor:
    """float [N, K] codes: column after column is rounded, and what that does to the product is made good
    in the columns behind it."""
    weight, columns = weight.clone(), weight.shape[1]
    moments = moments.clone()
    unused = moments.diagonal() == 0
    moments.diagonal()[unused] = 1.0
    moments.diagonal().add_(DAMPING * moments.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    spread = torch.linalg.cholesky(inverse, upper=True)
    codes = torch.empty_like(weight)
    for start in range(0, columns, GROUP):
        end = start + GROUP
        own_scale, own_zero = scale[:, start // GROUP], zero[:, start // GROUP]
        block = weight[:, start:end].clone()
        errors = torch.empty_like(block)
        for at in range(GROUP):
            code = ((block[:, at] - own_zero) / own_scale).round_().add_(ZERO_CODE)
            codes[:, start + at] = code.clamp_(0, HIGHEST)
            kept = (code - ZERO_CODE) * own_scale + own_zero
            errors[:, at] = (block[:, at] - kept) / spread[start + at, start + at]
            block[:, at + 1 :] -= errors[:, at, None] * spread[start + at, start + at + 1 : end]
        weight[:, end:] -= errors @ spread[start:end, end:]
    return codes
