"""Which samples of a step are accepted, and the next canvas, in one launch: no row is sorted, each
position adds up the entropy of those that are surer than itself. The twin is `plain.accept`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 32
"""Positions of one program. Each looks at all of its row."""


def accept(entropy: Tensor, token: Tensor, noise: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """See `plain.accept`."""
    variants, count = entropy.shape
    ids = torch.empty_like(token)
    accepted = torch.empty_like(token, dtype=torch.bool)
    _accept[(variants, triton.cdiv(count, BLOCK))](
        entropy.contiguous(), token.contiguous(), noise, ids, accepted, bound, count,
        BLOCK, triton.next_power_of_2(count),
    )  # fmt: skip
    return ids, accepted


@triton.jit(do_not_specialize=["count"])
def _accept(
    entropy, token, noise, ids, accepted, bound, count, BLOCK: tl.constexpr, ALL: tl.constexpr
):
    line = tl.program_id(0) * count
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    other = tl.arange(0, ALL)
    real = place < count
    own = tl.load(entropy + line + place, mask=real, other=0.0)
    all_ = tl.load(entropy + line + other, mask=other < count, other=float("inf"))
    surer = all_[None, :] < own[:, None]
    earlier = (all_[None, :] == own[:, None]) & (other[None, :] < place[:, None])
    before = tl.sum(tl.where(surer | earlier, all_[None, :], 0.0), 1)
    taken = before <= bound
    sampled = tl.load(token + line + place, mask=real, other=0)
    fresh = tl.load(noise + line + place, mask=real, other=0)
    tl.store(ids + line + place, tl.where(taken, sampled, fresh), mask=real)
    tl.store(accepted + line + place, taken, mask=real)
