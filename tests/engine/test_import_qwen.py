"""A Qwen2 of a few thousand numbers: from its GGUF file to what transformers computes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from torch import Tensor

from engine.models import import_qwen
from engine.models.block_llama import BlockLlama
from engine.models.catalog import GgufFile, KnownModel, known_models
from engine.models.import_qwen import ENDS, LINEARS, MASK, check, convert, dequantized
from engine.models.int4 import native_block
from engine.models.vocabulary import Vocabulary
from engine.models.weights import load_block_llama, read_config
from engine.request import EngineError
from engine.tokenizer import BYTE_OF_LETTER

LAYERS, WIDTH, HEADS, KV_HEADS, HEAD_DIM, INNER = 2, 128, 4, 2, 32, 192
LETTERS = sorted(BYTE_OF_LETTER)
SPECIALS = [*ENDS, MASK]
TOKENS = [*LETTERS, "ab", *SPECIALS, "<|unused|>"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)

    def normal(*shape: int, scale: float = 0.1) -> np.ndarray[Any, Any]:
        return (random.standard_normal(shape) * scale).astype(np.float32)

    made = {
        "token_embd.weight": normal(len(TOKENS), WIDTH),
        "output_norm.weight": 1 + normal(WIDTH),
    }
    for layer in range(LAYERS):
        stem = f"blk.{layer}."
        for name, rows in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            made[f"{stem}attn_{name}.weight"] = normal(rows * HEAD_DIM, WIDTH)
            made[f"{stem}attn_{name}.bias"] = normal(rows * HEAD_DIM)
        made[f"{stem}attn_output.weight"] = normal(WIDTH, HEADS * HEAD_DIM)
        made[f"{stem}ffn_gate.weight"] = normal(INNER, WIDTH)
        made[f"{stem}ffn_up.weight"] = normal(INNER, WIDTH)
        made[f"{stem}ffn_down.weight"] = normal(WIDTH, INNER)
        made[f"{stem}attn_norm.weight"] = 1 + normal(WIDTH)
        made[f"{stem}ffn_norm.weight"] = 1 + normal(WIDTH)
    return made


@pytest.fixture(scope="module")
def file(tensors: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_token_list(TOKENS)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def known(file: Path) -> KnownModel:
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    own = GgufFile("revision", "tiny.gguf", len(content), digest)
    return replace(known_models()[0], name="tiny", title="Tiny", gguf=own)


@pytest.fixture(autouse=True)
def vocabulary(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A bundled vocabulary that lacks a token of the file's, and has the others in another order."""
    folder = tmp_path_factory.mktemp("bundled")
    kept = Vocabulary((*LETTERS, "ab", *SPECIALS), (("a", "b"),), tuple(SPECIALS))
    kept.backend().save(str(folder / "tokenizer.json"))
    (folder / "LICENSE").write_text("the licence")
    monkeypatch.setattr(import_qwen, "BUNDLED", folder)


def reference(tensors: dict[str, Any]) -> Any:
    """transformers' own Qwen2 with these numbers."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=len(TOKENS), hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, rms_norm_eps=1e-6, rope_theta=1e6,
        tie_word_embeddings=True,
    )  # fmt: skip
    theirs = {"attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
              "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
              "ffn_norm": "post_attention_layernorm"}  # fmt: skip
    theirs |= {f"attn_{each}": f"self_attn.{each}_proj" for each in "qkv"}
    state = {}
    for name, tensor in tensors.items():
        if name.startswith("blk."):
            _, layer, part, kind = name.split(".")
            state[f"model.layers.{layer}.{theirs[part]}.{kind}"] = torch.from_numpy(tensor)
    state["model.embed_tokens.weight"] = torch.from_numpy(tensors["token_embd.weight"])
    state["model.norm.weight"] = torch.from_numpy(tensors["output_norm.weight"])
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = Qwen2ForCausalLM(config).eval()
    model.load_state_dict(state)
    return model


def logits_of(model: BlockLlama, ids: Tensor) -> Tensor:
    """[n - 10, V]: the prompt's first ten read at once, the rest from left to right in the canvas."""
    kv = model.new_kv()
    model.encode(ids[:10], kv)
    places = torch.arange(len(ids) - 10)[None]
    return model.denoise(ids[None, 10:], kv, places[:, 1:], None, places)[0]


def test_it_computes_what_transformers_computes(
    file: Path, known: KnownModel, tensors: dict[str, Any]
) -> None:
    model = dequantized(file, known, torch.float32)
    ids = torch.randint(256, (30,), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = reference(tensors)(ids[None]).logits[0, 10:-1, : model.spec.vocab_size]
    assert (logits_of(model, ids) - wanted).abs().max() < 1e-4


def test_a_conversion_is_close_to_its_file(file: Path, known: KnownModel, tmp_path: Path) -> None:
    losses = convert(file, known, tmp_path / "out")
    assert len(losses) == LAYERS * len(LINEARS)
    assert max(losses.values()) < 0.1
    whole = dequantized(file, known, torch.float32)
    ids = torch.randint(256, (30,), generator=torch.Generator().manual_seed(1))
    for linears, dtype in (
        ("float", torch.float32),
        ("int8", torch.float32),
        ("int4", torch.bfloat16),
    ):
        if linears == "int4" and native_block() is None:
            continue
        model = load_block_llama(tmp_path / "out", CPU, dtype, linears)  # type: ignore[arg-type]
        error = logits_of(model, ids).log_softmax(-1) - logits_of(whole, ids).log_softmax(-1)
        assert error.abs().mean() < 0.3, linears


def test_what_is_written_depends_on_the_file_alone(
    file: Path, known: KnownModel, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        convert(file, known, tmp_path / name)
    written = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert "model_card.md" in written
    for name in written:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_marks_have_their_roles(file: Path, known: KnownModel, tmp_path: Path) -> None:
    convert(file, known, tmp_path / "out")
    spec = read_config(tmp_path / "out").spec
    vocabulary = import_qwen._vocabulary((tmp_path / "out" / "tokenizer.json").read_bytes())
    assert spec.fim is not None
    assert vocabulary[spec.fim.middle] == "<|fim_middle|>"
    assert vocabulary[spec.eos_ids[0]] == "<|endoftext|>"
    assert spec.mask_id not in spec.eos_ids
    assert {vocabulary[end] for end in spec.eos_ids} == set(ENDS)
    assert spec.sees_after


@pytest.mark.parametrize("damage", ["altered", "cut", "gone"])
def test_only_the_very_bytes_are_believed(
    file: Path, known: KnownModel, tmp_path: Path, damage: str
) -> None:
    other = tmp_path / "other.gguf"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage != "gone":
        other.write_bytes(content[:1000] if damage == "cut" else content)
    with pytest.raises(EngineError, match=r"Cannot read|fetch it again"):
        convert(other, known, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_digest_is_enough_to_be_believed(file: Path, known: KnownModel) -> None:
    check(file, known)


def test_a_file_of_another_kind_is_said_to_be_one(known: KnownModel, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(b"no GGUF at all")
    assert known.gguf is not None
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    believed = replace(known, gguf=replace(known.gguf, sha256=digest))
    with pytest.raises(EngineError, match="not a GGUF file"):
        convert(other, believed, tmp_path / "out")


def test_the_card_says_where_it_comes_from(file: Path, known: KnownModel, tmp_path: Path) -> None:
    convert(file, known, tmp_path / "out")
    assert known.gguf is not None
    card = (tmp_path / "out" / "model_card.md").read_text()
    assert known.gguf.sha256 in card
    assert json.loads((tmp_path / "out" / "config.json").read_text())["qkv_bias"]
