"""Qwen2.5-Coder from Qwen's own GGUF file: a model's folder, as `weights.py` reads it.

    python -m engine.models.import_qwen NAME FILE.gguf FOLDER

NAME is one of the catalogue's. The file is believed by its SHA-256 alone, which is Qwen's, wherever it
came from; it is checked before anything of it is read. The vocabulary is cut to the bundled one, and what
each matrix lost by being rounded is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.models.base import FimTokens, ModelSpec
from engine.models.block_llama import BlockLlama, BlockLlamaConfig
from engine.models.catalog import BUNDLED, KnownModel, known_models
from engine.models.int4 import affine_of, dequantize
from engine.models.int4_fit import quantize
from engine.models.quantize import quantize_rows
from engine.models.writing import shards, write_model
from engine.request import EngineError

CONTEXT = 8192
"""Positions that are used, of the 32,768 that the model knows."""
MARKS = {
    "prefix": "<|fim_prefix|>",
    "suffix": "<|fim_suffix|>",
    "middle": "<|fim_middle|>",
}
MASK = "<|fim_pad|>"
ENDS = (
    "<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|repo_name|>", "<|file_sep|>", *MARKS.values()
)  # fmt: skip
"""A fill that comes to one of these is over. The first is what a model ends a gap with."""
READ_AT_ONCE = 1 << 22

Progress = Callable[[float, str], None]
LINEARS = {
    "attention.qkv": ("attn_q", "attn_k", "attn_v"),
    "attention.output": ("attn_output",),
    "feed_forward.gate_up": ("ffn_gate", "ffn_up"),
    "feed_forward.down": ("ffn_down",),
}
"""Ours: the file's, joined."""


def check(file: Path, model: KnownModel) -> None:
    """EngineError unless `file` holds the very bytes that Qwen published."""
    assert model.gguf is not None
    try:
        with file.open("rb") as stream:
            digest = hashlib.sha256()
            while piece := stream.read(READ_AT_ONCE):
                digest.update(piece)
    except OSError as error:
        raise EngineError(f"Cannot read {file}: {error.strerror}.") from error
    if digest.hexdigest() != model.gguf.sha256:
        size = file.stat().st_size
        raise EngineError(
            f"{file} is not {model.title}: it has {size:,} of {model.gguf.bytes:,} bytes and SHA-256 "
            f"{digest.hexdigest()}, not {model.gguf.sha256}. Delete it and fetch it again."
        )


def convert(
    file: Path, model: KnownModel, folder: Path, progress: Progress | None = None
) -> dict[str, float]:
    """Write `folder` from a checked `file`. Returns the loss of each matrix: the norm of what changed over
    that of the matrix."""
    check(file, model)
    source = GgufTensors(file)
    tokenizer = (BUNDLED / "tokenizer.json").read_bytes()
    config = read_config(source, model, _vocabulary(tokenizer))
    tensors: dict[str, Tensor] = {}
    losses: dict[str, float] = {}
    rows, scale = quantize_rows(source.table(source.ids_of(_vocabulary(tokenizer))))
    tensors |= {"embedding.int8": rows, "embedding.scale": scale}
    tensors["norm.weight"] = source.read("output_norm")
    for index in range(config.layers):
        for name, tensor in source.layer(index).items():
            stem = f"layers.{index}.{name}".removesuffix(".weight")
            if tensor.dim() == 1:
                tensors[f"layers.{index}.{name}"] = tensor
                continue
            matrix = quantize(tensor)
            kept = dequantize(matrix.codes, *affine_of(matrix.scale, matrix.zero, matrix.unit))
            losses[stem] = float((kept - tensor).norm() / tensor.norm())
            tensors |= matrix.parts(stem)
        if progress is not None:
            progress((index + 1) / config.layers, f"layer {index + 1} of {config.layers}")
    licence = (BUNDLED / "LICENSE").read_bytes()
    files = shards(tensors)
    card = model_card(model, config, sum(map(len, files)), losses)
    write_model(folder, config, files, tokenizer=tokenizer, licence=licence, card=card)
    return losses


def dequantized(file: Path, model: KnownModel, dtype: torch.dtype) -> BlockLlama:
    """The file's own weights, unpacked, with the bundled vocabulary: what a conversion is held against."""
    check(file, model)
    source = GgufTensors(file)
    vocabulary = _vocabulary((BUNDLED / "tokenizer.json").read_bytes())
    with torch.device("meta"):
        plain = BlockLlama(read_config(source, model, vocabulary))
    state = {
        "embedding.weight": source.table(source.ids_of(vocabulary)),
        "norm.weight": source.read("output_norm"),
    }
    for index in range(plain.config.layers):
        state |= {f"layers.{index}.{name}": each for name, each in source.layer(index).items()}
    plain.load_state_dict({name: each.to(dtype) for name, each in state.items()}, assign=True)
    return plain.eval().requires_grad_(False)


class GgufTensors:
    """The tensors of one GGUF file, dequantized as they are asked for."""

    def __init__(self, file: Path) -> None:
        import gguf

        self._gguf = gguf
        try:
            self._reader = gguf.GGUFReader(file)
        except (ValueError, OSError) as error:
            raise EngineError(f"{file} is not a GGUF file ({error}). Fetch it again.") from error
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}

    def table(self, ids: list[int]) -> Tensor:
        """Rows of the embedding. Where it is there twice, the head's copy has more bits."""
        stem = "output" if "output.weight" in self._tensors else "token_embd"
        return self.read(stem, rows=ids)

    def layer(self, index: int) -> dict[str, Tensor]:
        """The tensors of one layer by our names, q, k, v and gate, up joined."""
        tensors = {
            f"{name}.weight": torch.cat([self.read(f"blk.{index}.{part}") for part in parts])
            for name, parts in LINEARS.items()
        }
        biases = [self.read(f"blk.{index}.{part}", "bias") for part in LINEARS["attention.qkv"]]
        return tensors | {
            "attention.qkv.bias": torch.cat(biases),
            "attention_norm.weight": self.read(f"blk.{index}.attn_norm"),
            "feed_forward_norm.weight": self.read(f"blk.{index}.ffn_norm"),
        }

    def read(self, stem: str, kind: str = "weight", rows: list[int] | None = None) -> Tensor:
        """float32; rows: only these."""
        tensor = self._tensors[f"{stem}.{kind}"]
        data = tensor.data if rows is None else tensor.data[rows]
        return torch.from_numpy(self._gguf.dequantize(data, tensor.tensor_type).copy())

    def field(self, name: str) -> Any:
        return self._reader.fields[name].contents()

    def ids_of(self, vocabulary: list[str]) -> list[int]:
        """Where the tokens of a cut vocabulary stand in the file's."""
        places = {token: at for at, token in enumerate(self.field("tokenizer.ggml.tokens"))}
        return [places[token] for token in vocabulary]


def read_config(source: GgufTensors, model: KnownModel, vocabulary: list[str]) -> BlockLlamaConfig:
    """The architecture, as the file states it, and how the engine is to use it."""
    heads, width = (
        source.field("qwen2.attention.head_count"),
        source.field("qwen2.embedding_length"),
    )
    ids = {token: at for at, token in enumerate(vocabulary)}
    return BlockLlamaConfig(
        layers=source.field("qwen2.block_count"),
        width=width,
        heads=heads,
        kv_heads=source.field("qwen2.attention.head_count_kv"),
        head_dim=width // heads,
        inner=source.field("qwen2.feed_forward_length"),
        rotary_base=source.field("qwen2.rope.freq_base"),
        norm_epsilon=1e-6,  # the file says 9.999999974752427e-07: the same number in float32
        qkv_bias=True,
        spec=ModelSpec(
            name=model.name if model.name != "bundled" else "qwen2.5-coder-0.5b",
            noise="mask",
            order="left_to_right",
            shift=True,
            vocab_size=len(vocabulary),
            context_length=CONTEXT,
            eos_ids=tuple(ids[end] for end in ENDS),
            mask_id=ids[MASK],
            fim=FimTokens(**{name: ids[token] for name, token in MARKS.items()}),
            licence=model.licence,
        ),
    )


def _vocabulary(tokenizer: bytes) -> list[str]:
    """The tokens of a `tokenizer.json`, by id."""
    fields = json.loads(tokenizer)
    ids: dict[str, int] = dict(fields["model"]["vocab"])
    ids |= {token["content"]: token["id"] for token in fields["added_tokens"]}
    return sorted(ids, key=ids.__getitem__)


def model_card(
    model: KnownModel, config: BlockLlamaConfig, size: int, losses: Mapping[str, float]
) -> str:
    assert model.gguf is not None
    worst = max(losses, key=losses.__getitem__)
    return MODEL_CARD.format(
        title=model.title,
        repository=model.source,
        revision=model.gguf.revision,
        file=model.gguf.name,
        sha256=model.gguf.sha256,
        layers=config.layers,
        width=config.width,
        heads=config.heads,
        kv_heads=config.kv_heads,
        inner=config.inner,
        vocabulary=config.spec.vocab_size,
        context=config.spec.context_length,
        size=size / 1e6,
        parameters=config.parameters / 1e6,
        mean=sum(losses.values()) / len(losses),
        worst=worst,
        most=losses[worst],
    )


MODEL_CARD = """\
# {title}, for infill-lsp

| | |
|---|---|
| Made by | Qwen team, Alibaba Cloud ([technical report](https://arxiv.org/abs/2409.12186)) |
| Licence | Apache-2.0 (see `LICENSE`) |
| Taken from | `{repository}`, revision `{revision}`, file `{file}` |
| sha256 of that file | `{sha256}` |
| Changed | container and tensor names; q, k, v and gate, up joined; the vocabulary cut to {vocabulary:,} tokens that code uses, with every merge that leads to them and all 256 bytes; requantized |
| Weights | {parameters:.0f} million numbers, {size:.0f} MB: matrices 4 bits in groups of 32 with a scale and a zero of 8 bits each, by least squares; embedding 8 bits, norms and biases float32 |
| Lost by requantizing | relative norm {mean:.4f} on average, {most:.4f} at most (`{worst}`) |
| Shape | {layers} layers, width {width}, {heads} heads sharing {kv_heads} for keys and values, feed-forward {inner}, context {context:,} of 32,768 |
| Prompt | `<|fim_prefix|>` before `<|fim_suffix|>` after `<|fim_middle|>` and the start of the line |

No weight was trained here. It writes from left to right, one token a forward, or several where a guess
was right, and knows the text on both sides of the gap. Made by `python -m engine.models.import_qwen`.

Intended for filling gaps in source code and configuration while somebody watches. It repeats what it
read in public code, can be wrong, insecure or outdated with confidence, and was not tested for anything
but the figures in the README.
"""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m engine.models.import_qwen", description=__doc__
    )
    known = {model.name: model for model in known_models() if model.gguf is not None}
    parser.add_argument("name", choices=known)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    try:
        losses = convert(
            options.file, known[options.name], options.folder,
            lambda share, what: print(f"{share:4.0%} {what}", flush=True),
        )  # fmt: skip
    except EngineError as error:
        sys.exit(str(error))
    for stem, loss in losses.items():
        print(f"{stem:32} {loss:.4f}")
    total = sum(path.stat().st_size for path in options.folder.iterdir())
    print(f"{options.folder}: {total:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
