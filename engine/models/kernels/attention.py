"""Attention of a canvas, or of a piece of prompt, to keys and values where they are held: nothing is
repeated for the heads that share them, and nothing of the prompt is copied for the variants.

A tile is rows of all heads that share keys. Where few tiles would leave the device idle, the prompt
is cut into parts, whose results are put together at the end. The twin is `plain.attend`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.models.kernels import resources
from engine.models.kernels.prompt import Held

MOST_PARTS = 8


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, held: Held, layer: int, *,
    variants: int, window: int | None, causal: bool, parts: int | None = None,
) -> Tensor:  # fmt: skip
    """See `plain.attend`. parts: of the prompt. None: as many as keep the device busy."""
    count, heads, size = queries.shape
    kv_heads, width = keys.shape[1], count // variants
    group = heads // kv_heads
    block = 16 if width * group <= 16 else 64
    tiles = triton.cdiv(width * group, block)
    processors, shared = resources.of(queries.device)
    roomy = shared >= resources.ROOMY
    if parts is None:
        busy = processors // (tiles * kv_heads * variants)
        parts = max(1, min(MOST_PARTS if window is None else 2, busy))
    mixed = torch.empty(
        (parts, *queries.shape), device=queries.device,
        dtype=queries.dtype if parts == 1 else torch.float32,
    )  # fmt: skip
    sums = queries.new_empty(parts, count, heads, dtype=torch.float32)
    _attend[(tiles, kv_heads, variants * parts)](
        queries.contiguous(), keys.contiguous(), values.contiguous(),
        held.addresses[layer], held.counts, mixed, sums, count, width, parts,
        HEADS=heads, KV_HEADS=kv_heads, SIZE=size, WINDOW=window or 0, CAUSAL=causal,
        BLOCK_M=block, BLOCK_N=(64 if size <= 256 else 32) // (1 if roomy else 2),
        PRECISION="ieee" if queries.dtype == torch.float32 else "tf32",
        num_warps=4 if size <= 128 else 8, num_stages=2 if roomy else 1,
    )  # fmt: skip
    if parts == 1:
        return mixed[0]
    joined = torch.empty_like(queries)
    _join[(count * heads,)](mixed, sums, joined, count * heads, PARTS=parts, SIZE=size, num_warps=1)
    return joined


@triton.jit
def _look(
    total, weight, largest, query, key, value, seen,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Take BLOCK_N more keys into the running weighted sum. key [SIZE, N], value [N, SIZE]."""
    score = tl.dot(query, key, input_precision=PRECISION)
    score = tl.where(seen, score, float("-inf"))
    larger = tl.maximum(largest, tl.max(score, 1))
    # Where nothing is seen yet there is no largest to take away.
    base = tl.where(larger > float("-inf"), larger, 0.0)
    share = tl.exp(score - base[:, None])
    shrink = tl.exp(largest - base)
    weight = weight * shrink + tl.sum(share, 1)
    total = tl.dot(share.to(value.dtype), value, total * shrink[:, None], input_precision=PRECISION)
    return total, weight, larger


# Compiled once, not anew for numbers of rows that happen to divide by 16.
@triton.jit(do_not_specialize=["count", "width", "parts"])
def _attend(
    queries, keys, values, addresses, counts, mixed, sums, count, width, parts,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, SIZE: tl.constexpr, WINDOW: tl.constexpr,
    CAUSAL: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    kv_head = tl.program_id(1)
    variant, part = tl.program_id(2) // parts, tl.program_id(2) % parts
    length, real = tl.load(counts), tl.load(counts + 1)
    GROUP: tl.constexpr = HEADS // KV_HEADS
    line = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    row, head = line // GROUP, kv_head * GROUP + line % GROUP
    asked = row < width
    place = (variant * width + row).to(tl.int64) * HEADS + head
    column = tl.arange(0, SIZE)
    kind = queries.dtype.element_ty
    query = tl.load(
        queries + place[:, None] * SIZE + column[None, :], mask=asked[:, None], other=0.0
    )
    total = tl.zeros([BLOCK_M, SIZE], tl.float32)
    weight = tl.zeros([BLOCK_M], tl.float32)
    largest = tl.full([BLOCK_M], float("-inf"), tl.float32)

    # The prompt, from the first key that any row of this tile sees, or this part of it.
    first = length * 0
    if WINDOW > 0:
        top = tl.program_id(0) * BLOCK_M // GROUP if CAUSAL else 0
        first = tl.maximum(length + top - WINDOW + 1, 0)
    each = (tl.maximum(length - first, 0) + parts - 1) // parts
    begin = first + part * each
    end = tl.minimum(begin + each, length)
    stride: tl.constexpr = KV_HEADS * SIZE
    held_keys = tl.load(addresses).to(tl.pointer_type(kind)) + kv_head * SIZE
    held_values = tl.load(addresses + 1).to(tl.pointer_type(kind)) + kv_head * SIZE
    for start in range(begin, end, BLOCK_N):
        token = start + tl.arange(0, BLOCK_N)
        there = token < end
        far = token.to(tl.int64) * stride
        # Where a buffer begins no compiler knows: only if told does it read 16 bytes at a time.
        key_at = tl.multiple_of(held_keys + far[None, :] + column[:, None], [16, 16])
        value_at = tl.multiple_of(held_values + far[:, None] + column[None, :], [16, 16])
        key = tl.load(key_at, mask=there[None, :], other=0.0)
        value = tl.load(value_at, mask=there[:, None], other=0.0)
        seen = asked[:, None] & there[None, :]
        if CAUSAL and WINDOW > 0:
            seen = seen & (token[None, :] > length + row[:, None] - WINDOW)
        total, weight, largest = _look(total, weight, largest, query, key, value, seen, PRECISION)

    # The rows themselves, which go with the first part.
    stop = tl.where(part == 0, real, 0)
    for start in range(0, stop, BLOCK_N):
        token = start + tl.arange(0, BLOCK_N)
        there = token < stop
        far = (variant * width + token).to(tl.int64) * stride + kv_head * SIZE
        key = tl.load(keys + far[None, :] + column[:, None], mask=there[None, :], other=0.0)
        value = tl.load(values + far[:, None] + column[None, :], mask=there[:, None], other=0.0)
        seen = asked[:, None] & there[None, :]
        if CAUSAL:
            seen = seen & (token[None, :] <= row[:, None])
            if WINDOW > 0:
                seen = seen & (token[None, :] > row[:, None] - WINDOW)
        total, weight, largest = _look(total, weight, largest, query, key, value, seen, PRECISION)

    some = weight > 0
    total = total / tl.where(some, weight, 1.0)[:, None]
    sum_ = tl.where(some, largest + tl.log(tl.where(some, weight, 1.0)), float("-inf"))
    place = part.to(tl.int64) * count * HEADS + place
    tl.store(sums + place, sum_, mask=asked)
    spot = mixed + place[:, None] * SIZE + column[None, :]
    tl.store(spot, total.to(mixed.dtype.element_ty), mask=asked[:, None])


@triton.jit(do_not_specialize=["lines"])
def _join(mixed, sums, joined, lines, PARTS: tl.constexpr, SIZE: tl.constexpr):
    """What the parts of the prompt gave, as much of each as it was seen. The first has been seen."""
    line = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, SIZE)
    largest = tl.load(sums + line)
    for part in tl.static_range(1, PARTS):
        largest = tl.maximum(largest, tl.load(sums + part * lines + line))
    total = tl.zeros([SIZE], tl.float32)
    weight = largest * 0
    for part in tl.static_range(PARTS):
        share = tl.exp(tl.load(sums + part * lines + line) - largest)
        total += tl.load(mixed + (part * lines + line) * SIZE + column) * share
        weight += share
    tl.store(joined + line * SIZE + column, (total / weight).to(joined.dtype.element_ty))
