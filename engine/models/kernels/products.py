"""Products that read a matrix's few bits from memory and make numbers of them on the way in.

One kernel for all: rows sorted by expert times a stack of matrices, where a single matrix is a
stack of one. The first of an expert's two products ends in the gate; the second in the weight that
its row gives the expert. Beside it the mean over a vocabulary's table, which runs along its other
side. The twins are `plain.product`, `plain.experts` and `plain.mean`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.models.forms import Form, Matrix
from engine.models.kernels import resources, routing

CODES: dict[Form | None, int] = {None: 0, "int8": 1, "fp8": 1, "int4": 2}
"""How `_product` reads a matrix: plain numbers, numbers with a scale a row, groups of 4 bits."""
PARTS = 16
"""Into which the vocabulary is cut for `mean`, so that there is work for the whole device."""


def product(rows: Tensor, matrix: Matrix) -> Tensor:
    """See `plain.product`."""
    made = rows.new_empty(rows.shape[0], matrix.codes.shape[0])
    _launch(rows, matrix, made, None)
    return made


def gated_product(rows: Tensor, matrix: Matrix) -> Tensor:
    """See `plain.gated`: of the product."""
    made = rows.new_empty(rows.shape[0], matrix.codes.shape[0] // 2)
    _launch(rows, matrix, made, None, gate=True)
    return made


def experts(rows: Tensor, chosen: Tensor, weights: Tensor, gate_up: Matrix, down: Matrix) -> Tensor:
    """See `plain.experts`."""
    count, each = chosen.shape
    order = routing.order(chosen, gate_up.codes.shape[0])
    inner = rows.new_empty(count * each, gate_up.codes.shape[1] // 2)
    _launch(rows, gate_up, inner, order, read_by=each, gate=True)
    made = rows.new_empty(count * each, rows.shape[1])
    _launch(inner, down, made, order, weights=weights)
    return made.view(count, each, -1).sum(1)


def mean(shares: Tensor, table: Matrix) -> Tensor:
    """See `plain.mean`; the table has a scale a row."""
    (count, size), width = shares.shape, table.codes.shape[1]
    block = _block(count)
    each = triton.cdiv(triton.cdiv(size, PARTS), 64) * 64
    parts = shares.new_empty(PARTS, count, width, dtype=torch.float32)
    grid = (triton.cdiv(count, block), triton.cdiv(width, 128), PARTS)
    _mean[grid](
        shares, table.codes, table.scale, parts, count, size, width, each,
        BLOCK_M=block, BLOCK_N=128, BLOCK_K=64, PRECISION=_precision(shares),
        num_warps=_warps(block * 128),
    )  # fmt: skip
    return parts.sum(0).to(shares.dtype)


def _launch(
    rows: Tensor, matrix: Matrix, made: Tensor, order: tuple[Tensor, Tensor] | None, *,
    read_by: int = 1, gate: bool = False, weights: Tensor | None = None,
) -> None:  # fmt: skip
    """made: is filled, a line for each place. order: see `plain.order`; a row that is chosen for n
    experts counts n times. read_by: so many places read one of `rows`."""
    count, outputs = made.shape
    stack = 1 if order is None else matrix.codes.shape[0]
    wide = 64 if gate or count <= 64 else 128
    if order is None:
        block, wide = _tile(count, outputs, wide, resources.of(rows.device)[0])
    else:
        # Some experts have more rows than most. One with more than a tile holds is read again.
        block = _block(2 * triton.cdiv(count, stack))
    # The last of each expert's tiles may be part full; which expert a tile is of, it finds itself.
    tiles = triton.cdiv(count, block) + min(stack, count) - 1
    scale, minimum = (rows if part is None else part for part in (matrix.scale, matrix.minimum))
    places, ends = (rows, rows) if order is None else order
    _product[(tiles, triton.cdiv(outputs, wide))](
        rows, matrix.codes, scale, minimum, places, ends,
        rows if weights is None else weights, made,
        count, outputs, rows.shape[1],
        STACK=triton.next_power_of_2(stack), EXPERTS=stack, READ_BY=read_by,
        CODES=CODES[matrix.form], SORTED=order is not None, GATE=gate,
        WEIGHTED=weights is not None, PRECISION=_precision(rows),
        BLOCK_M=block, BLOCK_N=wide, BLOCK_K=64,
        num_warps=_warps(block * wide * (2 if gate else 1)), num_stages=3,
    )  # fmt: skip


def _tile(count: int, outputs: int, wide: int, processors: int) -> tuple[int, int]:
    """Rows and columns of one tile of a single matrix's product, `wide` at most: smaller where there
    would be fewer tiles than processors, some of which would have nothing to do."""
    block, least = _block(count), min(_block(count), 64)
    while triton.cdiv(count, block) * triton.cdiv(outputs, wide) < processors:
        if wide > 64:
            wide //= 2
        elif block > least:
            block //= 2
        elif wide > 32:
            wide //= 2
        else:
            break
    return block, wide


def _block(count: int) -> int:
    """Rows in one tile: no fewer than tensor cores take, no more than there are."""
    rows: int = triton.next_power_of_2(count)
    return min(128, max(16, rows))


def _warps(sums: int) -> int:
    """So many that all sums of a tile stay in registers."""
    return 4 if sums <= 64 * 128 else 8


def _precision(rows: Tensor) -> str:
    """float32 is for tests: exact, not rounded to the tensor cores' 19 bits."""
    return "ieee" if rows.dtype == torch.float32 else "tf32"


@triton.jit
def _expert_of(tile, ends, BLOCK_M: tl.constexpr, STACK: tl.constexpr, EXPERTS: tl.constexpr):
    """The expert that a tile is of (EXPERTS: of none), and where its places begin and end."""
    each = tl.arange(0, STACK)
    end = tl.load(ends + each, mask=each < EXPERTS, other=0).to(tl.int32)
    begin = tl.load(ends + each - 1, mask=(each > 0) & (each < EXPERTS), other=0).to(tl.int32)
    tiles = tl.where(each < EXPERTS, (end - begin + BLOCK_M - 1) // BLOCK_M, 0)
    past = tl.cumsum(tiles, 0)
    expert = tl.sum(((past <= tile) & (each < EXPERTS)).to(tl.int32), 0)
    own = each == expert
    skipped = tile - tl.sum(tl.where(own, past - tiles, 0), 0)
    first = tl.sum(tl.where(own, begin, 0), 0) + skipped * BLOCK_M
    return expert, first, tl.sum(tl.where(own, end, 0), 0)


@triton.jit
def _add(
    total, rows, codes, scale, minimum, lines, real, columns, wanted, start, K,
    CODES: tl.constexpr, PRECISION: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """`total` [M, N] and the product of BLOCK_K columns of `lines` with the matrix's `columns`."""
    kind = rows.dtype.element_ty
    if CODES == 2:
        # A byte holds a number of its group's first half and, above it, one of its second. Groups
        # are an axis of their own, so that a group's scale is read once.
        group = start // 32 + tl.arange(0, BLOCK_K // 32)
        byte = tl.arange(0, 16)
        held = (group < K // 32)[:, None, None] & wanted[None, None, :]
        line = columns[None, None, :] * (K // 32) + group[:, None, None]
        both = tl.load(codes + line * 16 + byte[None, :, None], mask=held, other=0)
        step = tl.load(scale + line, mask=held, other=0.0).to(tl.float32)
        least = tl.load(minimum + line, mask=held, other=0.0).to(tl.float32)
        first = ((both & 15).to(tl.float32) * step + least).to(kind)
        second = ((both >> 4).to(tl.float32) * step + least).to(kind)
        first = tl.reshape(first, [BLOCK_K // 2, columns.shape[0]])
        second = tl.reshape(second, [BLOCK_K // 2, columns.shape[0]])
        half = tl.arange(0, BLOCK_K // 2)
        k = start + half // 16 * 32 + half % 16
        there = real[:, None] & (k < K)[None, :]
        low = tl.load(rows + lines[:, None] * K + k[None, :], mask=there, other=0.0)
        high = tl.load(rows + lines[:, None] * K + k[None, :] + 16, mask=there, other=0.0)
        total = tl.dot(low, first, total, input_precision=PRECISION)
        total = tl.dot(high, second, total, input_precision=PRECISION)
    else:
        k = start + tl.arange(0, BLOCK_K)
        row = tl.load(
            rows + lines[:, None] * K + k[None, :], mask=real[:, None] & (k < K)[None, :], other=0.0
        )
        held = wanted[None, :] & (k < K)[:, None]
        code = tl.load(codes + columns[None, :] * K + k[:, None], mask=held, other=0.0)
        total = tl.dot(row, code.to(kind), total, input_precision=PRECISION)
    return total


# Compiled once, not anew for numbers of rows that happen to divide by 16.
@triton.jit(do_not_specialize=["count"])
def _product(
    rows, codes, scale, minimum, places, ends, weights, made, count, N, K,
    STACK: tl.constexpr, EXPERTS: tl.constexpr, READ_BY: tl.constexpr, CODES: tl.constexpr,
    SORTED: tl.constexpr, GATE: tl.constexpr, WEIGHTED: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """made [count, N]: with GATE the stack's matrices are [2 N, K], else [N, K]."""
    tile = tl.program_id(0)
    column = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    wanted = column < N
    if SORTED:
        expert, first, end = _expert_of(tile, ends, BLOCK_M, STACK, EXPERTS)
        if expert >= EXPERTS:
            return
        index = first + tl.arange(0, BLOCK_M)
        real = index < end
        place = tl.load(places + index, mask=real, other=0)
    else:
        expert = 0
        place = tile * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
        real = place < count
    lines = place // READ_BY
    # All rows of all matrices, one below the other.
    high = 2 * N if GATE else N
    columns = (tl.zeros([BLOCK_N], tl.int64) + expert) * high + column
    total = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    other = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(0, K, BLOCK_K):
        total = _add(
            total, rows, codes, scale, minimum, lines, real, columns, wanted, start, K,
            CODES, PRECISION, BLOCK_K,
        )  # fmt: skip
        if GATE:
            other = _add(
                other, rows, codes, scale, minimum, lines, real, columns + N, wanted, start, K,
                CODES, PRECISION, BLOCK_K,
            )  # fmt: skip
    if CODES == 1:
        total *= tl.load(scale + columns, mask=wanted, other=0.0)[None, :]
    if GATE:
        if CODES == 1:
            other *= tl.load(scale + columns + N, mask=wanted, other=0.0)[None, :]
        # GELU by tanh, which is 2 sigmoid(2 x) - 1.
        inside = 0.7978845608028654 * (total + 0.044715 * total * total * total)
        total = total * tl.sigmoid(2.0 * inside) * other
    if WEIGHTED:
        total *= tl.load(weights + place, mask=real, other=0.0)[:, None]
    there = real[:, None] & wanted[None, :]
    tl.store(
        made + place[:, None] * N + column[None, :], total.to(made.dtype.element_ty), mask=there
    )


@triton.jit(do_not_specialize=["count"])
def _mean(
    shares, codes, scale, parts, count, size, width, each, PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """parts [PARTS, count, width]: what each piece of the vocabulary adds to the mean."""
    line = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
    column = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    part = tl.program_id(2)
    real, wanted = line < count, column < width
    total = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    begin = part * each
    for start in range(begin, tl.minimum(begin + each, size), BLOCK_K):
        id_ = start + tl.arange(0, BLOCK_K).to(tl.int64)
        known = id_ < size
        there = real[:, None] & known[None, :]
        share = tl.load(shares + line[:, None] * size + id_[None, :], mask=there, other=0.0)
        step = tl.load(scale + id_, mask=known, other=0.0)
        share = (share.to(tl.float32) * step[None, :]).to(shares.dtype.element_ty)
        held = known[:, None] & wanted[None, :]
        code = tl.load(codes + id_[:, None] * width + column[None, :], mask=held, other=0.0)
        code = code.to(shares.dtype.element_ty)
        total = tl.dot(share, code, total, input_precision=PRECISION)
    place = parts + (part.to(tl.int64) * count + line[:, None]) * width + column[None, :]
    tl.store(place, total, mask=real[:, None] & wanted[None, :])
