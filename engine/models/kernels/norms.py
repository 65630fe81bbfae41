"""What a layer does to each row by itself between its products, in one launch each: heads normed and
turned, and the sums that begin and end in norms. All in float32, rounded when it is written. The
twins are `plain.heads`, `plain.add_attended` and `plain.add_fed`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


def heads(
    made: Tensor, count: int, kv_heads: int, query_weight: Tensor, key_weight: Tensor,
    rotary: Tensor, epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """See `plain.heads`."""
    rows, stacked, size = made.shape
    queries = made.new_empty(rows, count, size)
    keys, values = (made.new_empty(rows, kv_heads, size) for _ in range(2))
    _heads[(rows, count + 2 * kv_heads)](
        made.contiguous(), query_weight, key_weight, rotary.contiguous(), queries, keys, values,
        rows, epsilon, STACKED=stacked, HEADS=count, KV_HEADS=kv_heads, SIZE=size,
        num_warps=max(1, size // 256),
    )  # fmt: skip
    return queries, keys, values


def add_attended(
    rows: Tensor, attended: Tensor, norms: tuple[Tensor, Tensor, Tensor], epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """See `plain.add_attended`."""
    count, width = rows.shape
    added, for_dense, for_experts = (torch.empty_like(rows) for _ in range(3))
    _add_attended[(count,)](
        rows, attended, *norms, added, for_dense, for_experts, epsilon, width,
        triton.next_power_of_2(width), num_warps=8,
    )  # fmt: skip
    return added, for_dense, for_experts


def add_fed(
    rows: Tensor, dense: Tensor, mixed: Tensor, norms: tuple[Tensor, Tensor, Tensor],
    scale: Tensor, epsilon: float,
) -> Tensor:  # fmt: skip
    """See `plain.add_fed`."""
    count, width = rows.shape
    added = torch.empty_like(rows)
    _add_fed[(count,)](
        rows, dense, mixed, *norms, scale, added, epsilon, width,
        triton.next_power_of_2(width), num_warps=8,
    )  # fmt: skip
    return added


# Compiled once, not anew for numbers of rows that happen to divide by 16.
@triton.jit(do_not_specialize=["count"])
def _heads(
    made, query_weight, key_weight, rotary, queries, keys, values, count, epsilon,
    STACKED: tl.constexpr, HEADS: tl.constexpr, KV_HEADS: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    turning: tl.constexpr = HEADS + KV_HEADS
    # Values were made last; where there are none, they are the keys.
    source = tl.where(head < turning, head, head - turning + STACKED - KV_HEADS)
    column = tl.arange(0, SIZE)
    begin = made + (row * STACKED + source) * SIZE
    own = tl.load(begin + column).to(tl.float32)
    share = 1.0 / tl.sqrt(tl.sum(own * own, 0) / SIZE + epsilon)
    kind = made.dtype.element_ty
    if head >= turning:
        tl.store(values + (row * KV_HEADS + head - turning) * SIZE + column, (own * share).to(kind))
    else:
        other = (column + SIZE // 2) % SIZE  # each is paired with one of the other half
        opposite = tl.load(begin + other).to(tl.float32)
        weight = query_weight if head < HEADS else key_weight
        own *= share * tl.load(weight + column).to(tl.float32)
        opposite *= share * tl.load(weight + other).to(tl.float32)
        cosine = tl.load(rotary + row * SIZE + column).to(tl.float32)
        sine = tl.load(rotary + (count + row) * SIZE + column).to(tl.float32)
        turned = (own * cosine + opposite * sine).to(kind)
        if head < HEADS:
            tl.store(queries + (row * HEADS + head) * SIZE + column, turned)
        else:
            tl.store(keys + (row * KV_HEADS + head - HEADS) * SIZE + column, turned)


@triton.jit
def _normed(row, epsilon, width):
    """`row`, whose padding is 0, by its root mean square."""
    return row * (1.0 / tl.sqrt(tl.sum(row * row, 0) / width + epsilon))


@triton.jit
def _add_attended(
    rows, attended, after, before_dense, before_experts, added, for_dense, for_experts,
    epsilon, width, BLOCK: tl.constexpr,
):  # fmt: skip
    column = tl.arange(0, BLOCK)
    inside = column < width
    place = tl.program_id(0).to(tl.int64) * width + column
    kind = added.dtype.element_ty
    more = tl.load(attended + place, mask=inside, other=0.0).to(tl.float32)
    more = _normed(more, epsilon, width) * tl.load(after + column, mask=inside, other=0.0)
    row = tl.load(rows + place, mask=inside, other=0.0).to(tl.float32) + more
    tl.store(added + place, row.to(kind), mask=inside)
    row = _normed(row, epsilon, width)
    dense = row * tl.load(before_dense + column, mask=inside, other=0.0)
    tl.store(for_dense + place, dense.to(kind), mask=inside)
    experts = row * tl.load(before_experts + column, mask=inside, other=0.0)
    tl.store(for_experts + place, experts.to(kind), mask=inside)


@triton.jit
def _add_fed(
    rows, dense, mixed, after_dense, after_experts, after_both, scale, added, epsilon, width,
    BLOCK: tl.constexpr,
):  # fmt: skip
    column = tl.arange(0, BLOCK)
    inside = column < width
    place = tl.program_id(0).to(tl.int64) * width + column
    one = tl.load(dense + place, mask=inside, other=0.0).to(tl.float32)
    one = _normed(one, epsilon, width) * tl.load(after_dense + column, mask=inside, other=0.0)
    other = tl.load(mixed + place, mask=inside, other=0.0).to(tl.float32)
    other = _normed(other, epsilon, width) * tl.load(after_experts + column, mask=inside, other=0.0)
    both = _normed(one + other, epsilon, width)
    both *= tl.load(after_both + column, mask=inside, other=0.0)
    row = tl.load(rows + place, mask=inside, other=0.0).to(tl.float32) + both
    row *= tl.load(scale).to(tl.float32)
    tl.store(added + place, row.to(added.dtype.element_ty), mask=inside)
