"""Eight-bit linears for the CPU: one walk over a model that knows nothing of it.

Weights have one scale a row. Activations are rounded too, each row by its own scale, because a few
tokens (the first above all) hold values a thousand times larger than the rest, and would drown them
under a common scale. Of torch's int8 products `torch._int_mm` is used: it reads plain tensors, needs
no packed copy, is quick for one row as for hundreds, and does not rest on the quantized tensor types
that torch is about to remove.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def quantize_rows(table: Tensor) -> tuple[Tensor, Tensor]:
    """int8 [N, D] and float32 scale [N] such that int8 * scale is close to `table` [N, D]."""
    table = table.float()
    scale = table.abs().amax(1).clamp_(min=1e-12).div_(127)
    return table.div(scale[:, None]).round_().to(torch.int8), scale


def int8_product(rows: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """`rows` [Q, D] times the transpose of (`weight` [N, D] * `scale` [N]): float32 [Q, N]."""
    small, row_scale = quantize_rows(rows)
    product = torch._int_mm(small, weight.t())
    return torch.mul(product, scale).mul_(row_scale[:, None])


class Int8Linear(nn.Module):
    """Stands where an `nn.Linear` stood."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, rows: Tensor) -> Tensor:
        product = int8_product(rows, self.weight, self.scale)
        return (product if self.bias is None else product.add_(self.bias)).to(rows.dtype)


class Int8Embedding(nn.Module):
    """Stands where a `TiedEmbedding` stood: one int8 table for both its uses."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.dtype = dtype

    def forward(self, ids: Tensor) -> Tensor:
        rows = functional.embedding(ids, self.weight)
        return torch.mul(rows, self.scale[ids][:, None]).to(self.dtype)

    def logits(self, rows: Tensor) -> Tensor:
        """float32 [Q, V]."""
        if rows.dtype == torch.bfloat16:
            return torch._weight_int8pack_mm(rows, self.weight, self.scale.bfloat16()).float()
        return int8_product(rows, self.weight, self.scale)


def quantize_linears(module: nn.Module) -> None:
    """Replace every `nn.Linear` inside `module` by an `Int8Linear` of the same weights."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            bias = None if child.bias is None else child.bias.detach().float()
            setattr(module, name, Int8Linear(*quantize_rows(child.weight.detach()), bias))
        else:
            quantize_linears(child)
