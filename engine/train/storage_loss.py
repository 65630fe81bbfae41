"""What storing a model in few bits costs: how far its weights, and what it says, move.

The costs are of the stored weights alone: both models compute in the same float type.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.nn.functional import kl_div, nll_loss, scaled_dot_product_attention

from engine.models.block_llama import BlockLlama
from engine.models.weights import load_block_llama
from engine.train.adapters import AdaptedLinear
from engine.train.forward import hidden_states

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class StorageLoss:
    """One way to store a model, against the float weights."""

    name: str
    bytes: int
    """Of the weights' files; for the float model, of the tensors as they are."""
    tokens: int
    """Predicted for the two means that follow."""
    next_token_loss: float
    """Nats: mean surprise at the next token, all before it known."""
    divergence: float
    """Nats: mean Kullback-Leibler divergence of what it says from what the float model says."""
    weight_errors: tuple[float, ...]
    """For each layer: norm of the linears' change over their norm."""

    @property
    def worst_layer(self) -> int:
        return max(range(len(self.weight_errors)), key=self.weight_errors.__getitem__)


def measure(model: BlockLlama, folders: Mapping[str, Path], ids: Tensor) -> list[StorageLoss]:
    """Losses of `model` itself, named `float`, and of each of its exports in `folders` by name.

    ids: [B, T] int64 rows of real text, T > 1. One export is loaded at a time.
    """
    ids = ids.to(model.device)
    rows = ids.numel() - ids.shape[0]
    size = FLOAT_BYTES * model.config.parameters
    still = (0.0,) * len(model.layers)
    surprise = sum(_surprise(said, row) for row, said in _said(model, ids)) / rows
    losses = [StorageLoss("float", size, rows, surprise, 0.0, still)]
    for name, folder in folders.items():
        stored = load_block_llama(folder, model.device, model.dtype)
        surprise = divergence = 0.0
        for (row, wanted), (_, said) in zip(_said(model, ids), _said(stored, ids), strict=True):
            surprise += _surprise(said, row)
            divergence += kl_div(said, wanted, reduction="sum", log_target=True).item()
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        errors = weight_errors(model, stored)
        losses.append(StorageLoss(name, size, rows, surprise / rows, divergence / rows, errors))
    return losses


def weight_errors(model: BlockLlama, stored: BlockLlama) -> tuple[float, ...]:
    """For each layer: norm of the difference of all matrices, over their norm."""
    errors = []
    for layer, other in zip(model.layers, stored.layers, strict=True):
        changed = total = 0.0
        for name, linear in other.named_modules():
            if isinstance(linear, nn.Linear):
                wanted = _matrix(layer.get_submodule(name))
                changed += (linear.weight.float() - wanted).square().sum().item()
                total += wanted.square().sum().item()
        errors.append(math.sqrt(changed / total))
    return tuple(errors)


def _matrix(module: nn.Module) -> Tensor:
    """float32: of a linear, adapted or not."""
    if isinstance(module, AdaptedLinear):
        return (module.weight + module.lora_b.t() @ module.lora_a).detach().float()
    return module.get_parameter("weight").detach().float()


def table(losses: Sequence[StorageLoss]) -> Table:
    """For people. Losses in nats, weight errors in percent."""
    shown = Table(
        "weights", title=f"What storing costs ({losses[0].tokens} tokens of held-out code)"
    )
    for heading in ("MB", "next-token loss", "divergence", "weight error", "worst layer"):
        shown.add_column(heading, justify="right")
    for each in losses:
        mean = sum(each.weight_errors) / len(each.weight_errors)
        worst = each.worst_layer
        shown.add_row(
            each.name,
            f"{each.bytes / 1e6:.1f}",
            f"{each.next_token_loss:.4f}",
            f"{each.divergence:.4f}",
            f"{mean:.2%}",
            f"{each.weight_errors[worst]:.2%} ({worst})" if mean else "",
        )
    return shown


def to_json(losses: Sequence[StorageLoss]) -> str:
    """One JSON line for each, as `from_json` reads them."""
    return "".join(json.dumps(asdict(each)) + "\n" for each in losses)


def from_json(text: str) -> list[StorageLoss]:
    rows = [json.loads(line) for line in text.splitlines()]
    return [StorageLoss(**row | {"weight_errors": tuple(row["weight_errors"])}) for row in rows]


def _said(model: BlockLlama, ids: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """For each row: the tokens to predict [T-1], and log probabilities [T-1, V] of all tokens."""
    attend = partial(scaled_dot_product_attention, is_causal=True)
    positions = torch.arange(ids.shape[1], device=ids.device)[None]
    for row in ids:
        with torch.no_grad():
            hidden = hidden_states(model, row[None], positions, attend)[0, :-1]
            said = model.embedding.logits(hidden).log_softmax(-1)
        yield row[1:], said


def _surprise(said: Tensor, row: Tensor) -> float:
    return nll_loss(said, row, reduction="sum").item()
