"""A small Qwen2 model with random weights, as the one GGUF file in which Qwen publishes theirs."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np

from engine.models.catalog import BUNDLED

LAYERS, WIDTH, HEADS, KV_HEADS, INNER = 2, 64, 2, 1, 128
HEAD = WIDTH // HEADS


def write(path: Path, seed: int = 0) -> Path:
    """Write the file, with the bundled vocabulary in another order, and return its path."""
    random = np.random.default_rng(seed)
    tokens = vocabulary()[::-1]
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_feed_forward_length(INNER)
    writer.add_rope_freq_base(1e6)
    writer.add_token_list(tokens)

    def add(name: str, *shape: int) -> None:
        numbers = random.standard_normal(shape).astype(np.float32) / WIDTH**0.5
        if len(shape) == 1:
            writer.add_tensor(name, 1 + numbers)
            return
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(numbers, kind), raw_dtype=kind)

    add("token_embd.weight", len(tokens), WIDTH)
    add("output_norm.weight", WIDTH)
    for layer in range(LAYERS):
        stem = f"blk.{layer}"
        for name, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            add(f"{stem}.attn_{name}.weight", heads * HEAD, WIDTH)
            add(f"{stem}.attn_{name}.bias", heads * HEAD)
        add(f"{stem}.attn_output.weight", WIDTH, WIDTH)
        add(f"{stem}.ffn_gate.weight", INNER, WIDTH)
        add(f"{stem}.ffn_up.weight", INNER, WIDTH)
        add(f"{stem}.ffn_down.weight", WIDTH, INNER)
        add(f"{stem}.attn_norm.weight", WIDTH)
        add(f"{stem}.ffn_norm.weight", WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def vocabulary() -> list[str]:
    """The bundled model's tokens, by id."""
    fields = json.loads((BUNDLED / "tokenizer.json").read_text("utf-8"))
    ids = dict(fields["model"]["vocab"])
    ids |= {token["content"]: token["id"] for token in fields["added_tokens"]}
    return sorted(ids, key=ids.__getitem__)
