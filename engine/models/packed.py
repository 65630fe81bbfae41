"""Matrices in few bits, packed while they are read and made whole for each product.

The slow, obvious way: what a kernel for one of the forms computes must equal it. Activations keep
their type. `int8` and `fp8` (E4M3) have a scale a row; `int4` has groups of 32 with a scale and a
minimum each, in the layout of `weights.py`'s `.q4`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models.packing import pack_q4
from engine.models.quantize import quantize_rows
from engine.models.weights import GROUP, unpack_q4

Form = Literal["int8", "fp8", "int4"]

BITS: dict[Form, float] = {"int8": 8, "fp8": 8, "int4": 5}
"""Of a number, scales included (those of whole rows count next to nothing)."""
FP8 = torch.float8_e4m3fn
FP8_LARGEST = torch.finfo(FP8).max
ROWS_AT_ONCE = 16384
"""Of an embedding: to make the table whole would take more memory than it does."""


def pack(form: Form, weight: Tensor) -> dict[str, Tensor]:
    """The parts that hold `weight` [N, K]; see `part_shapes`."""
    if form == "int4":
        codes, scale, minimum = pack_q4(weight)
        return {"codes": codes, "scale": scale, "minimum": minimum}
    if form == "int8":
        codes, scale = quantize_rows(weight)
        return {"codes": codes, "scale": scale}
    scale = weight.float().abs().amax(1).clamp_(min=1e-12).div_(FP8_LARGEST)
    return {"codes": weight.float().div(scale[:, None]).to(FP8), "scale": scale}


def unpack(form: Form, parts: dict[str, Tensor]) -> Tensor:
    """float32 [N, K]: what `pack` has kept of a matrix."""
    if form == "int4":
        return unpack_q4(parts["codes"], parts["scale"], parts["minimum"])
    return parts["codes"].float() * parts["scale"][:, None]


def part_shapes(
    form: Form, shape: tuple[int, ...]
) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and type of the parts of a matrix [N, K], or of a stack [E, N, K]."""
    *stack, columns = shape
    rows = tuple(stack)
    if form == "int4":
        if columns % GROUP:
            raise ValueError(f"{columns} columns do not divide into groups of {GROUP}")
        groups = ((*rows, columns // GROUP), torch.float16)
        return {
            "codes": ((*rows, columns // 2), torch.uint8),
            "scale": groups,
            "minimum": groups,
        }
    codes = torch.int8 if form == "int8" else FP8
    return {"codes": (shape, codes), "scale": (rows, torch.float32)}


class Packed(nn.Module):
    """One matrix [N, K], or a stack of them [E, N, K], in few bits."""

    def __init__(
        self, form: Form, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
    ) -> None:
        """dtype: of the activations it is multiplied with. Its numbers must then be `put`."""
        super().__init__()
        self.form, self.dtype = form, dtype
        self.names = list(part_shapes(form, shape))
        for name, (part, kind) in part_shapes(form, shape).items():
            self.register_buffer(name, torch.empty(part, dtype=kind, device=device))

    def put(self, where: int | slice, weight: Tensor) -> Tensor:
        """Set the matrix, or the rows, at `where` to `weight`. Returns what is kept of it."""
        parts = pack(self.form, weight)
        for name, part in parts.items():
            self.get_buffer(name)[where] = part
        return unpack(self.form, parts)

    def whole(self, where: int | slice | Tensor | None = None) -> Tensor:
        """The matrix, or its part at `where`, in the type of the activations."""
        parts = {name: self.get_buffer(name) for name in self.names}
        if where is not None:
            parts = {name: part[where] for name, part in parts.items()}
        return unpack(self.form, parts).to(self.dtype)


class PackedLinear(Packed):
    """Stands where an `nn.Linear` without bias stood."""

    def forward(self, rows: Tensor) -> Tensor:
        return functional.linear(rows, self.whole())


class PackedExpertLinear(Packed):
    """Stands where an `ExpertLinear` stood."""

    def forward(self, rows: Tensor, expert: int) -> Tensor:
        return functional.linear(rows, self.whole(expert))


class PackedEmbedding(Packed):
    """Stands where an `Embedding` stood."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.whole(ids.flatten()).view(*ids.shape, -1)

    def logits(self, rows: Tensor) -> Tensor:
        """float32 [Q, V]."""
        return torch.cat(
            [functional.linear(rows, self.whole(some)) for some in self._blocks()], 1
        ).float()

    def mean(self, shares: Tensor) -> Tensor:
        """[Q, D] from probabilities [Q, V]."""
        shares = shares.to(self.dtype)
        parts = [torch.mm(shares[:, some], self.whole(some)) for some in self._blocks()]
        return torch.stack(parts).sum(0, dtype=torch.float32).to(self.dtype)

    def _blocks(self) -> list[slice]:
        count = self.get_buffer("scale").shape[0]
        return [slice(start, start + ROWS_AT_ONCE) for start in range(0, count, ROWS_AT_ONCE)]
