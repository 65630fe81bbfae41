"""Named tensors and a plain state, to a folder and back, exact to the bit.

    piece-00000.safetensors …   at most 16 MiB each, so that they can travel; a larger tensor is cut
    state.json                  what is not a tensor
    index.json                  where each tensor's parts are; size and sha256 of every other file

It does not know what the tensors mean: weights, an optimizer's memory, the state of a generator.
Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import torch as safetensors
from torch import Tensor

from engine.models.replace_folder import recover, replaced_folder
from engine.request import EngineError

LARGEST_PIECE = 16 * 2**20
"""Bytes in one file."""
FORMAT = 1
"""Of `index.json`; a number for each change that older programs cannot read."""
INDEX, STATE = "index.json", "state.json"
DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "uint8": torch.uint8,
}
CURE = "Copy that file again from where the checkpoint was made, or train into another folder."


def save(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> None:
    """Write a checkpoint; one that `folder` holds already is replaced when the new one is whole.

    tensors: of any shape, on any device; float32, bfloat16, int64 or uint8 (else ValueError).
    state: what `json` can write; tuples come back as lists.
    A folder with other files in it, or a full disk, is an EngineError.
    """
    entries: dict[str, dict[str, Any]] = {
        name: {"dtype": _dtype_name(name, tensor), "shape": list(tensor.shape), "parts": []}
        for name, tensor in tensors.items()
    }
    with replaced_folder(folder, (INDEX, STATE, "piece-*.safetensors")) as new:
        files = {STATE: _write(new / STATE, _json(state))}
        for number, piece in enumerate(_pieces(tensors)):
            file = f"piece-{number:05}.safetensors"
            files[file] = _write(new / file, safetensors.save(piece))
            for name, part in piece.items():
                entries[name]["parts"].append({"file": file, "count": part.numel()})
        _write(new / INDEX, _json({"format": FORMAT, "files": files, "tensors": entries}))


def load(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save` was given: tensors on the CPU, in the same order, and the state.

    EngineError, naming the file and what to do, when something is missing or damaged.
    """
    recover(folder)
    path = folder / INDEX
    if not path.is_file():
        raise EngineError(
            f"There is no checkpoint in {folder}: it has no {INDEX}. Name the folder that an "
            "earlier training wrote, or start a new one."
        )
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if index["format"] != FORMAT:
            raise EngineError(
                f"{path} has format {index['format']}; this version reads {FORMAT}. "
                "Go on with the version that wrote it, or start a new training."
            )
        tensors = _read_tensors(folder, index["files"], index["tensors"])
        state: dict[str, Any] = json.loads(_read(folder / STATE, index["files"][STATE]))
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path} is damaged ({error!r}). {CURE}") from error
    return tensors, state


def exists(folder: Path) -> bool:
    """Whether `load` would find a checkpoint (it may still be damaged)."""
    recover(folder)
    return (folder / INDEX).is_file()


def _dtype_name(name: str, tensor: Tensor) -> str:
    for word, dtype in DTYPES.items():
        if tensor.dtype == dtype:
            return word
    raise ValueError(f"{name} is {tensor.dtype}; a checkpoint holds {', '.join(DTYPES)}")


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _pieces(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Flat parts of the tensors, in order, as many as one file takes; at most one of each tensor."""
    piece: dict[str, Tensor] = {}
    room = LARGEST_PIECE
    for name, tensor in tensors.items():
        said = 200 + 2 * len(name.encode())  # what the file says about it takes room too
        flat = tensor.detach().reshape(-1)
        most = (LARGEST_PIECE - said) // flat.element_size()
        for part in torch.split(flat, most) if flat.numel() else [flat]:
            if piece and part.nbytes + said > room:
                yield piece
                piece, room = {}, LARGEST_PIECE
            # A copy, because safetensors does not write two names for one memory.
            piece[name] = part.cpu().clone()
            room -= part.nbytes + said
    if piece:
        yield piece


def _write(path: Path, content: bytes) -> dict[str, Any]:
    """Write, and return what the index says about the file."""
    path.write_bytes(content)
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _read(path: Path, facts: Mapping[str, Any]) -> bytes:
    """The file's content; EngineError unless it is what the index says."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EngineError(f"Cannot read {path}: {error.strerror}. {CURE}") from error
    if len(content) != facts["bytes"]:
        raise EngineError(f"{path} has {len(content)} bytes, not {facts['bytes']}. {CURE}")
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise EngineError(f"{path} is damaged: its sha256 is not the one written down. {CURE}")
    return content


def _read_tensors(
    folder: Path, files: Mapping[str, Any], entries: Mapping[str, Any]
) -> dict[str, Tensor]:
    """All tensors; no more than one file is held beside them."""
    tensors = {
        name: torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]])
        for name, entry in entries.items()
    }
    wanted: dict[str, list[tuple[str, int, int]]] = {file: [] for file in files if file != STATE}
    for name, entry in entries.items():
        start = 0
        for part in entry["parts"]:
            wanted[part["file"]].append((name, start, part["count"]))
            start += part["count"]
        if start != tensors[name].numel():
            raise ValueError(f"{name} has {start} of {tensors[name].numel()} numbers")
    for file, parts in wanted.items():
        piece = safetensors.load(_read(folder / file, files[file]))
        for name, start, count in parts:
            tensors[name].view(-1)[start : start + count] = piece[name]
    return tensors
