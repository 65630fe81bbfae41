"""The forms in which a matrix is held in few bits: `int8` and `fp8` (E4M3) have a scale a row, `int4`
has groups of 32 with a scale and a minimum each, in the layout of `weights.py`'s `.q4`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.models.packing import GROUP, pack_q4, unpack_q4
from engine.models.quantize import quantize_rows

Form = Literal["int8", "fp8", "int4"]

BITS: dict[Form, float] = {"int8": 8, "fp8": 8, "int4": 5}
"""Of a number, scales included (those of whole rows count next to nothing)."""
FP8 = torch.float8_e4m3fn
FP8_LARGEST = torch.finfo(FP8).max


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


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix [N, K], or a stack of them [E, N, K], as it is held."""

    form: Form | None
    """None: plain numbers; then there are only `codes`."""
    codes: Tensor
    scale: Tensor | None = None
    minimum: Tensor | None = None

    def whole(self, dtype: torch.dtype, where: int | slice | Tensor | None = None) -> Tensor:
        """The matrix, or its part at `where`, as numbers of `dtype`."""
        parts = {"codes": self.codes, "scale": self.scale, "minimum": self.minimum}
        there = {name: part for name, part in parts.items() if part is not None}
        if where is not None:
            there = {name: part[where] for name, part in there.items()}
        return (there["codes"] if self.form is None else unpack(self.form, there)).to(dtype)
