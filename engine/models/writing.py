"""What `weights.py` reads: a model's folder, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from engine.models.block_llama import BlockLlamaConfig
from engine.models.digests import MANIFEST, write_digests
from engine.models.replace_folder import replaced_folder
from engine.models.weights import write_config

LARGEST_FILE = 50_000_000
"""Bytes: what a code host takes without asking."""
FILES = (
    "config.json",
    "tokenizer.json",
    "*.safetensors",
    "LICENSE",
    "model_card.md",
    "curves.png",
    MANIFEST,
)
"""Patterns of all files in such a folder."""


def shards(tensors: Mapping[str, Tensor]) -> list[bytes]:
    """The content of safetensors files that hold `tensors` between them, in order.

    None is larger than LARGEST_FILE, unless a single tensor is.
    """
    parts: list[dict[str, Tensor]] = [{}]
    room = LARGEST_FILE
    for name, tensor in tensors.items():
        # What the file says about its tensors takes room too.
        if parts[-1] and tensor.nbytes > room - 200_000:
            parts.append({})
            room = LARGEST_FILE
        parts[-1][name] = tensor
        room -= tensor.nbytes
    return [save(part) for part in parts]


def write_model(
    folder: Path,
    config: BlockLlamaConfig,
    files: Sequence[bytes],
    *,
    tokenizer: bytes,
    licence: bytes,
    card: str,
) -> None:
    """Make `folder` a model, in place of the one it may have been.

    files: see `shards`. EngineError when the folder holds other things, or the disk is full; it is
    then as it was.
    """
    with replaced_folder(folder, FILES) as new:
        write_config(config, new / "config.json")
        (new / "tokenizer.json").write_bytes(tokenizer)
        for number, content in enumerate(files, 1):
            path = new / f"model-{number:05}-of-{len(files):05}.safetensors"
            path.write_bytes(content)
        write_digests(new)
        (new / "LICENSE").write_bytes(licence)
        (new / "model_card.md").write_text(card, encoding="utf-8")
