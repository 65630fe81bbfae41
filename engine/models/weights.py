"""A folder of safetensors files and `config.json` → a model, strictly: every tensor that the model
has and no other, each of the right shape. Nothing is unpickled.

The name's ending says how a matrix [N, K] is stored:
    `.weight`, `.bias`             as it is, any float type
    `.int4`, `.scale`, `.zero`, `.unit`   4-bit groups, as `int4.py` says: uint8 [N/64, K, 32]; uint8 and
                                   int8 [K/G, N], float16 [2, N]
    `.q4`, `.scale`, `.minimum`    4-bit groups of 32: value * scale + minimum. uint8 [N, K/2] (of a
                                   group's 16 bytes the low halves come first), float16 [N, K/32]
    `.int8`, `.scale`              one scale a row: int8 [N, K], float32 [N]
Beside any of them may stand what was learned later, added when the model is loaded:
    `.lora_a`, `.lora_b`           A [R, K] and B [R, N], each stored as int8 with scales: B' A
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from engine.models.base import FimTokens, ModelSpec
from engine.models.block_llama import BlockLlama, BlockLlamaConfig
from engine.models.int4 import BLOCK, Int4Linear, affine_of, dequantize
from engine.models.packing import GROUP, unpack_q4
from engine.models.quantize import Int8Embedding, quantize_linears
from engine.models.shards import CURE, Shards
from engine.request import EngineError

ARCHITECTURE = "block_llama"
SIDES = ("lora_a", "lora_b")
PACKED = ("int4", "q4", "int8")

Linears = Literal["float", "int8", "int4"]
"""What a model's matrices become when it is loaded. `int4` needs `int4.native_block` and matrices that are
stored so."""

Progress = Callable[[float, str], None]
Adapters = Mapping[str, tuple[Tensor, Tensor]]
"""For each adapted matrix's name: A [R, K] and B [R, N], float32."""


def write_config(config: BlockLlamaConfig, path: Path) -> None:
    """Write what `read_config` reads."""
    text = json.dumps({"architecture": ARCHITECTURE, **asdict(config)}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def read_config(folder: Path) -> BlockLlamaConfig:
    """`config.json` of a model's folder; EngineError when it is missing or not as it should be."""
    path = folder / "config.json"
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        architecture = fields.pop("architecture")
        if architecture != ARCHITECTURE:
            raise EngineError(
                f"{path} is for a model of the kind {architecture!r}; only {ARCHITECTURE!r} can be "
                "loaded. Choose another model."
            )
        spec: dict[str, Any] = fields.pop("spec")
        lists = {name: tuple(value) for name, value in spec.items() if isinstance(value, list)}
        if spec.get("fim") is not None:
            spec["fim"] = FimTokens(**spec["fim"])
        return BlockLlamaConfig(**fields, spec=ModelSpec(**(spec | lists)))
    except OSError as error:
        raise EngineError(f"Cannot read {path}: {error.strerror}. {CURE}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise EngineError(f"{path} is not a model's configuration ({error}). {CURE}") from error


def load_block_llama(
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    linears: Linears = "float",
    cache_dtype: torch.dtype | None = None,
    progress: Progress | None = None,
    adapted: bool = True,
) -> BlockLlama:
    """Build the model and fill it, one layer after another, so that little memory is taken twice.

    dtype: of activations, and of weights that are `float`. With other `linears` the embedding is int8.
    cache_dtype: of keys and values; None: `dtype`.
    progress: called with the share done, 0 to 1, and a text. adapted: False leaves out what was
    learned beside the matrices (see `read_adapters`).
    """
    config = read_config(folder)
    with torch.device("meta"):
        model = BlockLlama(config, cache_dtype)
    with ExitStack() as stack:
        stored = _Stored(folder, stack, adapted)
        stored.check(model)
        if linears != "float" and stored.form("embedding") == "int8":
            table, scale = stored.read("embedding.int8"), stored.read("embedding.scale")
            model.set_submodule("embedding", Int8Embedding(table, scale, dtype))
        else:
            _fill(model.embedding, "embedding.", stored, device, dtype)
        _fill(model.norm, "norm.", stored, device, dtype)
        for index, layer in enumerate(model.layers):
            prefix = f"layers.{index}."
            if linears == "int4":
                _keep_packed(layer, prefix, stored)
            _fill(layer, prefix, stored, device, dtype)
            if linears == "int8":
                quantize_linears(layer)
            if progress is not None:
                progress((index + 1) / config.layers, f"layer {index + 1} of {config.layers}")
    model.rotary.to(device)
    return model.eval().requires_grad_(False)


def is_stored_in_int4(folder: Path) -> bool:
    """Whether a folder's matrices are 4-bit groups that `Int4Linear` takes."""
    with ExitStack() as stack:
        return any(name.endswith(".int4") for name in Shards(folder, stack).files)


def read_adapters(folder: Path) -> Adapters:
    """What was learned beside the matrices of a folder's model; empty for most."""
    with ExitStack() as stack:
        stored = _Stored(folder, stack)
        stems = sorted(name.removesuffix(".lora_a.int8") for name in stored.files)
        return {stem: stored.adapter(stem) for stem in stems if stored.has_adapter(stem)}


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder's files, as they are stored."""
    with ExitStack() as stack:
        stored = _Stored(folder, stack)
        return {name: stored.read(name) for name in stored.files}


class _Stored(Shards):
    """The tensors of a folder, in the forms that the module's text names."""

    def __init__(self, folder: Path, stack: ExitStack, adapted: bool = True) -> None:
        super().__init__(folder, stack)
        self.adapted = adapted

    def check(self, model: nn.Module) -> None:
        """EngineError unless the stored tensors are exactly what `model` needs."""
        problems = []
        unexpected = set(self.files)
        for name, parameter in model.named_parameters():
            stem = name.removesuffix(".weight")
            form = self.form(stem)
            wanted = self.parts(stem, form, tuple(parameter.shape))
            if self.has_adapter(stem):
                rank = self.shape(f"{stem}.lora_a.int8")[0]
                for side, size in zip(SIDES, reversed(parameter.shape), strict=True):
                    wanted |= self.parts(f"{stem}.{side}", "int8", (rank, size))
            for part, shape in wanted.items():
                unexpected.discard(part)
                if part not in self.files:
                    problems.append(f"missing {part}")
                elif (found := self.shape(part)) != shape:
                    problems.append(f"{part} is {list(found)}, not {list(shape)}")
        problems += [f"unexpected {name}" for name in sorted(unexpected)]
        if problems:
            raise self.misfit(problems)

    def form(self, stem: str) -> str:
        """How the matrix is stored: `int4`, `q4`, `int8`, or `weight`, as everything else."""
        return next((form for form in PACKED if f"{stem}.{form}" in self.files), "weight")

    def has_adapter(self, stem: str) -> bool:
        return f"{stem}.{SIDES[0]}.int8" in self.files

    def adapter(self, stem: str) -> tuple[Tensor, Tensor]:
        """A [R, K] and B [R, N]."""
        a, b = (self._own(f"{stem}.{side}") for side in SIDES)
        return a, b

    def matrix(self, stem: str) -> Tensor:
        """A float tensor, whatever form it is stored in, with what was learned beside it."""
        weight = self._own(stem)
        if self.adapted and self.has_adapter(stem):
            a, b = self.adapter(stem)
            weight.addmm_(b.t(), a)
        return weight

    def _own(self, stem: str) -> Tensor:
        form = self.form(stem)
        if form == "weight":
            return self.read(_plain(stem))
        packed, scale = self.read(f"{stem}.{form}"), self.read(f"{stem}.scale")
        if form == "int4":
            return dequantize(*self.int4(stem))
        if form == "int8":
            return packed * scale[:, None]
        return unpack_q4(packed, scale, self.read(f"{stem}.minimum"))

    def int4(self, stem: str) -> tuple[Tensor, Tensor, Tensor]:
        """Packed codes, scale and zero, as `Int4Linear` takes them."""
        scale, zero = affine_of(
            *(self.read(f"{stem}.{part}") for part in ("scale", "zero", "unit"))
        )
        return self.read(f"{stem}.int4"), scale, zero

    def parts(self, stem: str, form: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """The tensors that make up one parameter, and their shapes."""
        if form == "weight":
            return {_plain(stem): shape}
        rows, columns = shape
        if form == "int8":
            return {f"{stem}.int8": shape, f"{stem}.scale": (rows,)}
        if form == "int4":
            groups = self.shape(f"{stem}.scale")[0] if f"{stem}.scale" in self.files else 1
            affine = (groups, rows)
            return {
                f"{stem}.int4": (rows // BLOCK, columns, BLOCK // 2),
                f"{stem}.scale": affine,
                f"{stem}.zero": affine,
                f"{stem}.unit": (2, rows),
            }
        return {
            f"{stem}.q4": (rows, columns // 2),
            f"{stem}.scale": (rows, columns // GROUP),
            f"{stem}.minimum": (rows, columns // GROUP),
        }


def _plain(stem: str) -> str:
    """The name of a tensor that is stored as it is."""
    return stem if stem.endswith(".bias") else f"{stem}.weight"


def _keep_packed(layer: nn.Module, prefix: str, stored: _Stored) -> None:
    """Put an `Int4Linear` in the place of each linear that is stored in 4 bits."""
    for name, child in list(layer.named_modules()):
        stem = prefix + name
        if isinstance(child, nn.Linear) and stored.form(stem) == "int4":
            bias = None if child.bias is None else stored.read(f"{stem}.bias").to(torch.bfloat16)
            layer.set_submodule(name, Int4Linear(*stored.int4(stem), bias))


def _fill(
    module: nn.Module, prefix: str, stored: _Stored, device: torch.device, dtype: torch.dtype
) -> None:
    """Give the parameters of a module, which are on `meta`, their numbers."""
    for name, _ in list(module.named_parameters()):
        tensor = stored.matrix((prefix + name).removesuffix(".weight")).to(device, dtype)
        owner, _, last = name.rpartition(".")
        setattr(module.get_submodule(owner), last, nn.Parameter(tensor, requires_grad=False))
