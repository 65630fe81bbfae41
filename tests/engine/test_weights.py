"""Loading is strict: what is missing, too much, misshapen or damaged is named, with the cure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.config import EngineConfig
from engine.models import load_model
from engine.models.block_llama import BlockLlama
from engine.models.catalog import BUNDLED, known_models
from engine.models.loading import find_device, find_folder
from engine.models.packing import GROUP, unpack_q4
from engine.models.quantize import Int8Embedding, Int8Linear, quantize_rows
from engine.models.weights import load_block_llama, read_config, write_config
from engine.request import EngineError

CPU = torch.device("cpu")
CURE = "[Rr]einstall.*download"


@pytest.fixture
def folder(tiny_causal_model: BlockLlama, tmp_path: Path) -> Path:
    """The tiny model on disk, in two files."""
    write_config(tiny_causal_model.config, tmp_path / "config.json")
    tensors = dict(tiny_causal_model.state_dict())
    names = sorted(tensors)
    save_file({name: tensors[name] for name in names[:5]}, tmp_path / "model-1.safetensors")
    save_file({name: tensors[name] for name in names[5:]}, tmp_path / "model-2.safetensors")
    return tmp_path


def answer(model: BlockLlama) -> Tensor:
    kv = model.new_kv()
    model.encode(torch.arange(20), kv)
    return model.denoise(torch.arange(8)[None], kv, torch.tensor([[3, 7]]))


def change(folder: Path, edit: Callable[[dict[str, Tensor]], Any]) -> None:
    path = folder / "model-1.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)


def test_what_is_written_is_read_back(folder: Path, tiny_causal_model: BlockLlama) -> None:
    model = load_block_llama(folder, CPU, torch.float32)
    assert model.config == tiny_causal_model.config
    assert torch.equal(answer(model), answer(tiny_causal_model))
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_other_types_and_progress(folder: Path) -> None:
    steps: list[float] = []
    model = load_block_llama(
        folder, CPU, torch.bfloat16, progress=lambda share, _: steps.append(share)
    )
    assert model.dtype == torch.bfloat16
    assert steps == [0.5, 1.0]


def test_int8_replaces_the_linears(folder: Path, tiny_causal_model: BlockLlama) -> None:
    model = load_block_llama(folder, CPU, torch.float32, linears="int8")
    assert sum(isinstance(each, Int8Linear) for each in model.modules()) == 8
    error = answer(model).log_softmax(-1) - answer(tiny_causal_model).log_softmax(-1)
    assert error.abs().mean() < 0.15


def test_a_stored_int8_table_is_used_as_it_is(folder: Path) -> None:
    def edit(tensors: dict[str, Tensor]) -> None:
        table = tensors.pop("embedding.weight")
        tensors["embedding.int8"], tensors["embedding.scale"] = quantize_rows(table)

    change(folder, edit)
    model = load_block_llama(folder, CPU, torch.float32, linears="int8")
    assert isinstance(model.embedding, Int8Embedding)
    floating = load_block_llama(folder, CPU, torch.float32)
    torch.testing.assert_close(
        floating.embedding.weight, model.embedding.weight * model.embedding.scale[:, None]
    )


def plain_q4(packed: Tensor, scale: Tensor, minimum: Tensor) -> Tensor:
    """Number by number."""
    rows, columns = packed.shape[0], packed.shape[1] * 2
    out = torch.empty(rows, columns)
    for row in range(rows):
        for column in range(columns):
            group, place = divmod(column, GROUP)
            byte = int(packed[row, group * GROUP // 2 + place % (GROUP // 2)])
            value = byte >> 4 if place >= GROUP // 2 else byte & 15
            out[row, column] = value * scale[row, group].float() + minimum[row, group].float()
    return out


def test_four_bit_groups() -> None:
    generator = torch.Generator().manual_seed(0)
    packed = torch.randint(0, 256, (3, 48), dtype=torch.uint8, generator=generator)
    scale = torch.rand(3, 3, generator=generator).half()
    minimum = torch.randn(3, 3, generator=generator).half()
    torch.testing.assert_close(
        unpack_q4(packed, scale, minimum), plain_q4(packed, scale, minimum), atol=1e-6, rtol=0
    )


NAME = "layers.0.attention.qkv"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tensors: tensors.pop("embedding.weight"), "missing embedding.weight"),
        (lambda tensors: tensors.update(extra=torch.ones(1)), "unexpected extra"),
        (
            lambda tensors: tensors.update({"embedding.weight": torch.ones(3, 32)}),
            r"embedding.weight is \[3, 32\], not \[272, 32\]",
        ),
        (
            lambda tensors: tensors.update({"embedding.int8": torch.ones(272, 32).char()}),
            "missing embedding.scale",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    folder: Path, edit: Callable[[dict[str, Tensor]], Any], message: str
) -> None:
    change(folder, edit)
    with pytest.raises(EngineError, match=f"{message}.*{CURE}"):
        load_block_llama(folder, CPU, torch.float32)


def test_many_problems_are_not_all_listed(folder: Path) -> None:
    (folder / "model-2.safetensors").unlink()
    with pytest.raises(EngineError, match=r"and \d+ more") as caught:
        load_block_llama(folder, CPU, torch.float32)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("keep", [0, 4, 100, -1000])
def test_a_truncated_file_is_named(folder: Path, keep: int) -> None:
    path = folder / "model-2.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(EngineError, match=rf"model-2\.safetensors is damaged.*{CURE}"):
        load_block_llama(folder, CPU, torch.float32)


def test_a_file_that_is_something_else_is_named(folder: Path) -> None:
    (folder / "model-1.safetensors").write_bytes(b"\x80\x04 a pickle, which is never opened" * 9)
    with pytest.raises(EngineError, match=rf"model-1\.safetensors is damaged.*{CURE}"):
        load_block_llama(folder, CPU, torch.float32)


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(EngineError, match=f"no weights.*{CURE}"):
        load_block_llama(folder, CPU, torch.float32)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"architecture": "block_llama"}', "not json", '"text"']
)
def test_a_broken_configuration_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(EngineError, match=rf"config\.json.*{CURE}"):
        read_config(tmp_path)


@pytest.mark.parametrize("field", ["layers", "width", "spec"])
def test_a_configuration_lacking_a_field_is_named(folder: Path, field: str) -> None:
    fields = json.loads((folder / "config.json").read_text())
    del fields[field]
    (folder / "config.json").write_text(json.dumps(fields))
    with pytest.raises(EngineError, match=field):
        read_config(folder)


def test_another_architecture_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architecture": "mamba"}')
    with pytest.raises(EngineError, match=r"mamba.*another model"):
        read_config(tmp_path)


def test_an_unknown_model_lists_the_known() -> None:
    with pytest.raises(EngineError, match=r"'gpt-9'.*bundled, qwen2.5-coder-1.5b, diffusiongemma"):
        find_folder("gpt-9")


def test_a_known_model_that_is_not_here_says_how_to_fetch_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("engine.models.catalog.models_folder", lambda: tmp_path)
    with pytest.raises(EngineError, match=r"DiffusionGemma.*infill-lsp models get diffusiongemma"):
        load_model(EngineConfig(model="diffusiongemma"))
    missing = [model.name for model in known_models() if not model.available]
    assert missing == ["qwen2.5-coder-1.5b", "diffusiongemma"]


def test_a_folder_is_a_model(folder: Path, tiny_causal_model: BlockLlama) -> None:
    assert find_folder(str(folder)) == folder
    # Its tokenizer must not be larger than the model's vocabulary.
    (folder / "tokenizer.json").write_bytes((BUNDLED / "tokenizer.json").read_bytes())
    with pytest.raises(EngineError, match="48000 tokens, the model only 272"):
        load_model(EngineConfig(model=str(folder), device="cpu"))


@pytest.mark.parametrize("name", ["tpu", "mps", "cuda:x", ""])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(EngineError, match=r"auto, cpu, cuda or cuda:N"):
        find_device(name)


def test_without_cuda_asking_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == CPU
    with pytest.raises(EngineError, match="auto or cpu"):
        find_device("cuda")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert find_device("auto").type == "cuda"
    with pytest.raises(EngineError, match="there is 1"):
        find_device("cuda:1")


def test_int8_on_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(EngineError, match="auto or none"):
        load_model(EngineConfig(quantization="int8", device="auto"))


def test_out_of_memory_is_an_error_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("engine.models.loading.load_block_llama", full)
    with pytest.raises(EngineError, match="memory of cpu"):
        load_model(EngineConfig(device="cpu"))


def test_a_config_survives_the_file(tiny_causal_model: BlockLlama, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_causal_model.config, norm_epsilon=1e-6)
    write_config(config, tmp_path / "config.json")
    assert read_config(tmp_path) == config
