"""Training a few numbers beside a model whose own weights stay (LoRA, arXiv 2106.09685).

The weights stay as they were stored, 4-bit groups to the last bit, so storing what was learned costs
nothing; and a step costs two thirds, which on a CPU is what counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models.block_llama import BlockLlama
from engine.models.layers import TiedEmbedding
from engine.models.quantize import quantize_rows
from engine.models.weights import SIDES, Adapters
from engine.request import EngineError

FROZEN = torch.bfloat16
"""What products are computed in, so weights that never change need not be converted each time."""


class AdaptedLinear(nn.Module):
    """Stands where an `nn.Linear` without bias stood: rows W' + (rows A') B, of which A and B learn."""

    weight: Tensor

    def __init__(self, weight: Tensor, lora_a: Tensor, lora_b: Tensor) -> None:
        """weight [N, K]; lora_a [R, K], lora_b [R, N]: float32."""
        super().__init__()
        self.register_buffer("weight", weight.detach().to(FROZEN))
        self.lora_a, self.lora_b = nn.Parameter(lora_a), nn.Parameter(lora_b)

    def forward(self, rows: Tensor) -> Tensor:
        learned = functional.linear(functional.linear(rows, self.lora_a), self.lora_b.t())
        return functional.linear(rows.to(learned.dtype), self.weight.to(learned.dtype)) + learned


class AdaptedEmbedding(nn.Module):
    """Stands where a `TiedEmbedding` stood: only the rows of some ids learn."""

    weight: Tensor
    ids: Tensor

    def __init__(self, table: TiedEmbedding, ids: Tensor) -> None:
        """ids: [n] int64, those whose rows learn."""
        super().__init__()
        weight = table.weight.detach()
        self.register_buffer("weight", weight.to(FROZEN))
        self.register_buffer("ids", ids)
        self.rows = nn.Parameter(weight[ids].clone())

    def forward(self, ids: Tensor) -> Tensor:
        found = functional.embedding(ids, self.weight).to(self.rows.dtype)
        for id_, row in zip(self.ids, self.rows, strict=True):
            found = torch.where((ids == id_)[..., None], row, found)
        return found

    def logits(self, rows: Tensor) -> Tensor:
        """float32 [Q, V]."""
        learned = functional.linear(rows, self.rows)
        all_ = functional.linear(rows.to(learned.dtype), self.weight.to(learned.dtype))
        return all_.index_copy(-1, self.ids, learned).float()


def adapt(model: BlockLlama, rank: int, known: Adapters) -> None:
    """Freeze `model` in place but for its norms, the rows of ids with a role, and adapters of `rank`
    on every linear: those of `known`, and beside them, up to `rank`, new ones that change nothing.
    EngineError where `known` has a higher rank."""
    generator = torch.Generator().manual_seed(0)
    for name, module in list(model.named_modules()):
        if not isinstance(module, nn.Linear):
            continue
        a, b = _widened(known.get(name), rank, module.weight.shape, generator)
        device = module.weight.device
        model.set_submodule(name, AdaptedLinear(module.weight, a.to(device), b.to(device)))
    spec = model.spec
    roles = (spec.mask_id, spec.delete_id, spec.separator_id, spec.path_id)
    ids = torch.tensor([id_ for id_ in roles if id_ is not None], device=model.device)
    model.set_submodule("embedding", AdaptedEmbedding(model.embedding, ids))


def _widened(
    pair: tuple[Tensor, Tensor] | None, rank: int, shape: torch.Size, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A [rank, K] and B [rank, N] of a linear of `shape` [N, K], whose first rows are `pair`'s."""
    rows, columns = shape
    a, b = pair or (torch.empty(0, columns), torch.empty(0, rows))
    missing = rank - a.shape[0]
    if missing < 0:
        raise EngineError(
            f"The model has adapters of rank {a.shape[0]}, which cannot become {rank}. "
            f"Train it with adapter_rank={a.shape[0]} or more."
        )
    new = torch.randn(missing, columns, generator=generator) * columns**-0.5
    return torch.cat([a, new]), torch.cat([b, torch.zeros(missing, rows)])


def stored_adapted(model: BlockLlama, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `model`'s files, from those of the model that it was adapted from.

    Its matrices stay as they are; adapters, norms and the learned rows are put beside or over them.
    """
    tensors = {name: value for name, value in stored.items() if ".lora_" not in name}
    for name, parameter in model.named_parameters():
        value = parameter.detach().float().cpu()
        if name.endswith(SIDES):
            tensors[f"{name}.int8"], tensors[f"{name}.scale"] = quantize_rows(value)
        elif name == "embedding.rows":
            if "embedding.int8" not in tensors:
                raise EngineError(
                    "The model that was adapted does not keep its embedding in 8 bits. Export it as "
                    "int8 first, and train that."
                )
            ids = model.get_submodule("embedding").get_buffer("ids").cpu()
            table, scale = tensors["embedding.int8"].clone(), tensors["embedding.scale"].clone()
            table[ids], scale[ids] = quantize_rows(value)
            tensors["embedding.int8"], tensors["embedding.scale"] = table, scale
        else:
            tensors[name] = value
    return tensors
