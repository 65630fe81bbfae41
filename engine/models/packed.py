"""Matrices in few bits, in the places of the plain ones; packed while they are read.

How they are multiplied is the business of `kernels`. Activations keep their type.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.models import kernels
from engine.models.forms import Form, pack, part_shapes, unpack

ROWS_AT_ONCE = 16384
"""Of an embedding: to make the table whole would take more memory than it does."""


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
        return kernels.product(rows, self.matrix)


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
