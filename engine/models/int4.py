"""Matrices of 4-bit groups on a CPU: torch's packed product for few rows, bfloat16 for many.

A matrix [N, K] is stored as torch's AVX-512 kernel reads it, so that loading converts nothing there:
codes uint8 [N / 64, K, 32], whose byte j of a column holds row j of a block of 64 rows in its low half
and row j + 32 in its high half; and for each group of columns a scale and a zero [K / group, N]. The
number is (code - 8) * scale + zero.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from engine.models.pace import shortest

BLOCK = 64
"""Rows that are packed together in files. Every N must be a multiple of it."""
BLOCKS = (64, 32)
"""Those that torch's kernel packs together: with AVX-512, with AVX2."""
ZERO_CODE = 8
CHUNK = 2**19
"""Numbers unpacked at a time, so that they stay in a core's cache between two passes."""
PROBE_ROWS = (16, 24, 32, 48, 64, 96, 128, 192)
"""Row counts among which `crossover` looks."""


def pack_codes(codes: Tensor, block: int = BLOCK) -> Tensor:
    """uint8 [N / block, K, block / 2] of `codes` [N, K], each 0 to 15."""
    blocks = codes.to(torch.uint8).view(-1, block, codes.shape[1]).transpose(1, 2)
    low, high = blocks.chunk(2, 2)
    return (low | high << 4).contiguous()


def unpack_codes(packed: Tensor) -> Tensor:
    """uint8 [N, K]: the inverse of `pack_codes`."""
    blocks = torch.cat((packed & 15, packed >> 4), 2)
    return blocks.transpose(1, 2).reshape(-1, packed.shape[1])


def affine_of(scale: Tensor, zero: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and zero, bfloat16 [K / group, N], of their steps and the units [2, N]."""
    scale_unit, zero_unit = unit.float()
    return (scale * scale_unit).to(torch.bfloat16), (zero * zero_unit).to(torch.bfloat16)


def dequantize(packed: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """float32 [N, K] of packed codes and of what `affine_of` gives: the plain twin of all below."""
    codes = unpack_codes(packed).float() - ZERO_CODE
    groups = codes.view(codes.shape[0], scale.shape[0], -1)
    return (groups * scale.float().t()[..., None] + zero.float().t()[..., None]).flatten(1)


@cache
def native_block() -> int | None:
    """How many rows this processor's kernel packs together; None where torch has no such kernel, or one
    that packs in a way that is not known here (Arm). Found by packing a small matrix."""
    codes = torch.arange(128 * 64).view(128, 64) * 7 % 16
    try:
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 1)
    except (AttributeError, RuntimeError):
        return None
    same = (
        block
        for block in BLOCKS
        if torch.equal(pack_codes(codes, block).flatten(), packed.flatten())
    )
    return next(same, None)


class Int4Linear(nn.Module):
    """Stands where an `nn.Linear` stood, where `native_block` is not None. bfloat16 rows [Q, K] in,
    [Q, N] out. A row's result is the same to the bit whatever rows are beside it, as long as they are
    fewer than `crossover`."""

    packed: Tensor
    affine: Tensor
    bias: Tensor | None

    def __init__(
        self, packed: Tensor, scale: Tensor, zero: Tensor, bias: Tensor | None = None
    ) -> None:
        """packed uint8 [N / 64, K, 32], as stored; scale, zero as `affine_of` gives; bias [N]."""
        super().__init__()
        block = native_block()
        assert block is not None  # the caller asks first
        packed = packed if block == BLOCK else pack_codes(unpack_codes(packed), block)
        self.register_buffer("packed", packed)
        self.register_buffer("affine", torch.stack((scale, zero), -1))
        self.register_buffer("bias", bias)
        self.rows, self.columns = packed.shape[0] * block, packed.shape[1]
        self.group = self.columns // scale.shape[0]

    def forward(self, rows: Tensor) -> Tensor:
        if rows.shape[0] < crossover(self.group):
            product = self.few(rows)
        else:
            product = torch.mm(rows, self.unpacked())
        return product if self.bias is None else product.add_(self.bias)

    def few(self, rows: Tensor) -> Tensor:
        """The product by the packed kernel, without the bias."""
        packed = self.packed.view(self.rows, self.columns // 2)
        product: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(
            rows, packed, self.group, self.affine
        )
        return product

    @torch.inference_mode()  # the buffers stay for the next forward, which is in it
    def unpacked(self) -> Tensor:
        """bfloat16 [K, N], in a buffer that the next matrix overwrites.

        The bits of the bfloat16 number 128 + code are those of 128 with the code in its lowest four, so
        codes become numbers without a conversion.
        """
        out, bits = _buffers(self.columns * self.rows)
        out = out.view(self.columns, self.rows)
        half = self.packed.shape[2]
        bits = bits.view(self.columns, -1, 2 * half)
        source = self.packed.transpose(0, 1)
        scale, zero = self.affine.unbind(-1)
        step = max(1, CHUNK // (self.rows * self.group)) * self.group
        for start in range(0, self.columns, step):
            end = min(start + step, self.columns)
            groups = slice(start // self.group, end // self.group)
            part = bits[start:end]
            part[..., :half] = source[start:end]
            part[..., half:] = source[start:end]
            part[..., :half] &= 15
            part[..., half:] >>= 4
            part |= 0x4300  # 128
            codes = part.view(torch.bfloat16).sub_(128 + ZERO_CODE)
            shape = (-1, self.group, self.rows)
            numbers = out[start:end].view(shape)
            torch.addcmul(zero[groups, None], codes.view(shape), scale[groups, None], out=numbers)
        return out


_scratch: dict[str, Tensor] = {}


def _buffers(size: int) -> tuple[Tensor, Tensor]:
    """Two buffers of `size` numbers, bfloat16 and int16, that all matrices share: one thread computes."""
    if not _scratch or _scratch["out"].numel() < size:
        _scratch["out"] = torch.empty(size, dtype=torch.bfloat16)
        _scratch["bits"] = torch.empty(size, dtype=torch.int16)
    return _scratch["out"][:size], _scratch["bits"][:size]


@cache
def crossover(group: int) -> int:
    """The number of rows from which unpacking first is quicker on this machine. Measured once, in some
    hundredths of a second."""
    codes = torch.randint(16, (2048, 1024), dtype=torch.uint8)
    affine = torch.rand(2, 1024 // group, 2048).bfloat16()
    trial = Int4Linear(pack_codes(codes), affine[0], affine[1])
    for rows in PROBE_ROWS:
        several = torch.randn(rows, 1024, dtype=torch.bfloat16)
        if shortest(lambda: torch.mm(several, trial.unpacked())) < shortest(  # noqa: B023
            lambda: trial.few(several)  # noqa: B023
        ):
            return rows
    return PROBE_ROWS[-1]
