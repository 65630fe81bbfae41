"""Matrices in few bits, in the places of the plain ones; packed while they are read.

How they are multiplied is the business of `kernels`. Activations keep their type.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.models import kernels
from engine.models.forms import Form, Matrix, pack, part_shapes, unpack


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

    @property
    def matrix(self) -> Matrix:
        """As `kernels` take it."""
        return Matrix(self.form, **{name: self.get_buffer(name) for name in self.names})


class PackedLinear(Packed):
    """Stands where an `nn.Linear` without bias stood."""

    def forward(self, rows: Tensor) -> Tensor:
        return kernels.product(rows, self.matrix)


class PackedExpertLinear(Packed):
    """Stands where an `ExpertLinear` stood."""


class PackedEmbedding(Packed):
    """Stands where an `Embedding` stood."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.matrix.whole(self.dtype, ids.flatten()).view(*ids.shape, -1)
