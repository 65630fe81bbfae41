"""Weights that stay, and what is learned beside them: in training, in a file, and loaded again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.models.block_llama import BlockLlama
from engine.models.weights import load_block_llama, read_adapters, read_tensors
from engine.request import EngineError
from engine.tokenizer import Tokenizer
from engine.train.adapters import AdaptedLinear, adapt, stored_adapted
from engine.train.corpus import Document
from engine.train.export import export
from engine.train.loop import Limit, Trainer
from engine.train.recipe import Recipe
from engine.train.storage_loss import measure

CODE = "def area(width, height):\n    total = width * height\n    return total\n\n\n"
RECIPE = Recipe(
    adapter_rank=4, learning_rate=1e-2, row_tokens=256, shortest_window=64, longest_window=128
)
IDS = torch.arange(40, 100)


@pytest.fixture
def stored(small_model: BlockLlama, origin: Path, tmp_path: Path) -> Path:
    """The small model in a folder, from which it is adapted."""
    export(small_model, origin, tmp_path / "stored", linears="q4", card="")
    return tmp_path / "stored"


def loaded(folder: Path, adapted: bool = True) -> BlockLlama:
    return load_block_llama(folder, torch.device("cpu"), torch.float32, adapted=adapted)


def said(model: BlockLlama) -> torch.Tensor:
    """What the canvas of a short prompt says; the plain forward, so without adapters' modules."""
    kv = model.new_kv()
    model.encode(IDS[:40], kv)
    return model.denoise(IDS[None, 40:], kv, torch.arange(1, 20)[None])


def learned(stored: Path, open_tokenizer: Callable[[], Tokenizer], steps: int = 6) -> BlockLlama:
    model = loaded(stored)
    adapt(model, RECIPE.adapter_rank, {})
    trainer = Trainer(model, open_tokenizer, RECIPE)
    trainer.run([Document("area.py", "python", CODE * 4)], Limit(steps=steps))
    return model


@pytest.fixture
def open_tokenizer(byte_tokenizer: Tokenizer) -> Callable[[], Tokenizer]:
    return lambda: byte_tokenizer


def test_new_adapters_change_nothing(stored: Path) -> None:
    plain = loaded(stored)
    adapted = copy.deepcopy(plain)
    adapt(adapted, 4, {})
    rows = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    linear = adapted.get_submodule("layers.1.attention.qkv")
    assert isinstance(linear, AdaptedLinear)
    wanted = plain.get_submodule("layers.1.attention.qkv")(rows)
    assert torch.allclose(linear(rows), wanted, atol=0.03)  # its weight is bfloat16
    assert torch.equal(adapted.embedding(IDS), plain.embedding(IDS).to(torch.bfloat16).float())
    assert torch.allclose(adapted.embedding.logits(rows), plain.embedding.logits(rows), atol=0.2)


def test_only_what_is_beside_the_weights_learns(
    stored: Path, open_tokenizer: Callable[[], Tokenizer]
) -> None:
    fresh = loaded(stored)
    adapt(fresh, RECIPE.adapter_rank, {})
    model = learned(stored, open_tokenizer)
    for name, value in model.named_buffers():
        assert torch.equal(value, fresh.get_buffer(name)), name
    learners = {name for name, _ in model.named_parameters()}
    assert "embedding.rows" in learners
    assert "layers.2.feed_forward.down.lora_b" in learners
    share = sum(p.numel() for p in model.parameters()) / model.config.parameters
    assert share < 0.2
    moved = [n for n, p in model.named_parameters() if not torch.equal(p, fresh.get_parameter(n))]
    assert set(moved) == learners


def test_a_file_holds_the_old_matrices_and_what_was_learned(
    stored: Path, open_tokenizer: Callable[[], Tokenizer], tmp_path: Path
) -> None:
    model = learned(stored, open_tokenizer)
    export(model, stored, tmp_path / "out", linears="q4", card="")
    before, after = read_tensors(stored), read_tensors(tmp_path / "out")
    for name, value in before.items():
        if "norm" not in name and not name.startswith("embedding"):
            assert torch.equal(after[name], value), name
    changed = (before["embedding.int8"] != after["embedding.int8"]).any(1).nonzero().flatten()
    assert set(changed.tolist()) <= {256, 257}

    merged = loaded(stored)
    for name, (a, b) in read_adapters(tmp_path / "out").items():
        merged.get_parameter(f"{name}.weight").data.addmm_(b.t(), a)
    merged.embedding.weight.data = loaded(tmp_path / "out").embedding.weight.data
    for name, parameter in model.named_parameters():
        if "norm" in name:
            merged.get_parameter(name).data = parameter.detach().clone()
    assert torch.allclose(said(loaded(tmp_path / "out")), said(merged), atol=1e-4)
    assert not torch.allclose(said(loaded(tmp_path / "out")), said(loaded(stored)), atol=0.1)

    losses = measure(model, {"q4": tmp_path / "out"}, IDS[None].repeat(2, 1))
    assert losses[1].divergence < 0.01
    assert max(losses[1].weight_errors) < 0.01


def test_training_goes_on_from_the_files_adapters(
    stored: Path, open_tokenizer: Callable[[], Tokenizer], tmp_path: Path
) -> None:
    model = learned(stored, open_tokenizer)
    export(model, stored, tmp_path / "out", linears="q4", card="")
    again = loaded(tmp_path / "out", adapted=False)
    adapt(again, RECIPE.adapter_rank, read_adapters(tmp_path / "out"))
    for name, parameter in model.named_parameters():
        near = again.get_parameter(name)
        assert torch.allclose(near, parameter, atol=0.02 * parameter.abs().max().item()), name


def test_adapters_are_widened_and_say_what_they_said(
    stored: Path, open_tokenizer: Callable[[], Tokenizer], tmp_path: Path
) -> None:
    export(learned(stored, open_tokenizer), stored, tmp_path / "out", linears="q4", card="")
    known = read_adapters(tmp_path / "out")
    wide = loaded(tmp_path / "out", adapted=False)
    adapt(wide, RECIPE.adapter_rank + 3, known)
    same = loaded(tmp_path / "out", adapted=False)
    adapt(same, RECIPE.adapter_rank, known)
    rows = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    for name in known:
        wider, linear = wide.get_submodule(name), same.get_submodule(name)
        assert isinstance(wider, AdaptedLinear)
        assert wider.lora_a.shape[0] == RECIPE.adapter_rank + 3
        assert wider.lora_a[RECIPE.adapter_rank :].abs().min() > 0
        if rows.shape[1] == wider.lora_a.shape[1]:
            assert torch.allclose(wider(rows), linear(rows), atol=1e-5), name


def test_adapters_are_not_narrowed(
    stored: Path, open_tokenizer: Callable[[], Tokenizer], tmp_path: Path
) -> None:
    export(learned(stored, open_tokenizer), stored, tmp_path / "out", linears="q4", card="")
    model = loaded(tmp_path / "out", adapted=False)
    with pytest.raises(EngineError, match=r"Train it with adapter_rank=\d+ or more"):
        adapt(model, RECIPE.adapter_rank - 1, read_adapters(tmp_path / "out"))


def test_a_run_with_adapters_is_resumed_to_the_bit(
    stored: Path, open_tokenizer: Callable[[], Tokenizer], tmp_path: Path
) -> None:
    documents = [Document("area.py", "python", CODE * 4)]

    def trainer() -> Trainer:
        model = loaded(stored)
        adapt(model, RECIPE.adapter_rank, {})
        return Trainer(model, open_tokenizer, replace(RECIPE, decay_share=0.0))

    whole, first, second = trainer(), trainer(), trainer()
    whole.run(documents, Limit(steps=4))
    first.run(documents, Limit(steps=2))
    first.save(tmp_path / "checkpoint")
    assert not any("qkv.weight" in line for line in (tmp_path / "checkpoint/index.json").open())
    second.resume(tmp_path / "checkpoint")
    second.run(documents, Limit(steps=4))
    for name, parameter in whole.model.named_parameters():
        assert torch.equal(parameter, second.model.get_parameter(name)), name


def test_an_embedding_that_is_not_stored_in_8_bits_is_named(stored: Path) -> None:
    model = loaded(stored)
    adapt(model, RECIPE.adapter_rank, {})
    with pytest.raises(EngineError, match="does not keep its embedding in 8 bits"):
        stored_adapted(model, {})


def test_an_adapter_of_the_wrong_shape_is_named(stored: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = next(iter(stored.glob("*.safetensors")))
    tensors = load_file(path)
    tensors["layers.0.attention.qkv.lora_a.int8"] = torch.zeros(4, 63, dtype=torch.int8)
    save_file(tensors, path)
    with pytest.raises(EngineError, match=r"qkv\.lora_a\.int8 is \[4, 63\], not \[4, 64\]"):
        loaded(stored)
