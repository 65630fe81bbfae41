"""From a model with float weights to a folder that anyone's `engine.load` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from torch import Tensor

from engine.models.block_llama import BlockLlama
from engine.models.packing import GROUP, pack_q4
from engine.models.quantize import quantize_rows
from engine.models.weights import read_tensors
from engine.models.writing import shards, write_model
from engine.request import EngineError
from engine.train.adapters import AdaptedEmbedding, stored_adapted

Form = Literal["q4", "int8"]
"""How the linears are stored; the embedding is int8 in both, norms are float32."""
Q4 = ("q4", "scale", "minimum")
"""Endings of what `pack_q4` returns."""
LARGEST_WEIGHT = 65_504.0
"""What float16, the type of a group's scale and minimum, can hold."""


def export(model: BlockLlama, origin: Path, folder: Path, *, linears: Form, card: str) -> None:
    """Write `model` to `folder`, which may be an older export.

    model: float32 or bfloat16 weights, on any device. linears: `q4` takes 0.63 bytes a weight,
    `int8` 1.0; an adapted model's matrices stay as they are stored in `origin`. origin: the folder of
    the model that was trained; its `tokenizer.json` and `LICENSE` go along.
    card: Markdown; `write_card` replaces it once more is known.
    EngineError, and `folder` as it was, when training has failed, a file cannot be read, the
    disk is full, or the folder holds other things.
    """
    licence, tokenizer = _read(origin / "LICENSE"), _read(origin / "tokenizer.json")
    files = shards(stored_tensors(model, origin, linears))
    write_model(folder, model.config, files, tokenizer=tokenizer, licence=licence, card=card)


def write_card(folder: Path, card: str) -> None:
    """Replace the model card of an exported model."""
    new = folder / "model_card.md.new"
    try:
        new.write_text(card, encoding="utf-8")
        new.replace(folder / "model_card.md")
    except OSError as error:
        new.unlink(missing_ok=True)
        raise EngineError(
            f"Cannot write the model card in {folder}: {error.strerror}. Export the model first."
        ) from error


def stored_tensors(model: BlockLlama, origin: Path, linears: Form) -> dict[str, Tensor]:
    """All weights in the form, and under the names, that `weights.py` reads; on the CPU."""
    for name, parameter in model.named_parameters():
        if not (parameter.detach().abs() <= LARGEST_WEIGHT).all():  # nor NaN
            raise EngineError(
                f"{name} holds numbers that are not finite, or huge: the training has failed. "
                "Export an older checkpoint."
            )
    if isinstance(model.get_submodule("embedding"), AdaptedEmbedding):
        return stored_adapted(model, read_tensors(origin))
    stored: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        weight = parameter.detach().float()
        stem = name.removesuffix(".weight")
        if weight.dim() == 1:
            stored[name] = weight
        elif linears == "int8" or stem == "embedding":
            stored[f"{stem}.int8"], stored[f"{stem}.scale"] = quantize_rows(weight)
        elif weight.shape[1] % GROUP:
            raise EngineError(
                f"{name} has {weight.shape[1]} columns, not a multiple of {GROUP}: it cannot be "
                "stored in 4 bits. Export it as int8."
            )
        else:
            parts = pack_q4(weight)
            stored |= {f"{stem}.{part}": value for part, value in zip(Q4, parts, strict=True)}
    return {name: tensor.cpu().contiguous() for name, tensor in stored.items()}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"Cannot read {path}: {error.strerror}. The folder of the model that was trained has a "
            "tokenizer.json and a LICENSE."
        ) from error
