"""What is exported is read back, close to what it was; a second export changes nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.models import writing
from engine.models.block_llama import BlockLlama
from engine.models.packing import GROUP, pack_q4, unpack_q4
from engine.models.weights import load_block_llama
from engine.request import EngineError
from engine.train.export import Form, export, stored_tensors, write_card

CPU = torch.device("cpu")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain_q4(weight: Tensor) -> Tensor:
    """Number by number, between the smallest and the largest of a group."""
    restored = torch.empty_like(weight)
    for row in range(weight.shape[0]):
        for start in range(0, weight.shape[1], GROUP):
            group = weight[row, start : start + GROUP]
            minimum = group.min().half().float()
            scale = ((group.max() - group.min()) / 15).half().float()
            for column in range(GROUP):
                code = min(15, max(0, round(((group[column] - minimum) / scale).item())))
                restored[row, start + column] = minimum + code * scale
    return restored


def squared(left: Tensor, right: Tensor) -> float:
    return (left - right).square().sum().item()


def test_the_search_beats_smallest_and_largest() -> None:
    weight = random(20, 128)
    found = squared(unpack_q4(*pack_q4(weight)), weight)
    assert found < 0.85 * squared(plain_q4(weight), weight)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    size=st.floats(1e-3, 100.0),
    shift=st.floats(-3.0, 3.0),
    outlier=st.floats(0.0, 50.0),
    flat=st.booleans(),
)
def test_packing_is_never_worse_than_plain_and_settles(
    seed: int, size: float, shift: float, outlier: float, flat: bool
) -> None:
    weight = (random(4, 64, seed=seed) + shift) * size
    weight[1, 5] += outlier * size
    if flat:
        weight[2, :32] = weight[2, 0]
    packed = pack_q4(weight)
    restored = unpack_q4(*packed)
    spread = weight.view(-1, GROUP).amax(1) > weight.view(-1, GROUP).amin(1)
    groups = restored.view(-1, GROUP)[spread], weight.view(-1, GROUP)[spread]
    assert squared(*groups) <= squared(plain_q4(groups[1]), groups[1]) * 1.0001
    for first, second in zip(packed, pack_q4(restored), strict=True):
        assert torch.equal(first, second)


def answer(model: BlockLlama) -> Tensor:
    kv = model.new_kv()
    model.encode(torch.arange(60), kv)
    return model.denoise(torch.arange(16)[None], kv, torch.arange(1, 16)[None])[0].log_softmax(-1)


@pytest.mark.parametrize(("linears", "distance"), [("q4", 0.3), ("int8", 0.03)])
def test_an_export_answers_nearly_as_the_model(
    small_model: BlockLlama,
    origin: Path,
    tmp_path: Path,
    linears: Form,
    distance: float,
) -> None:
    """Mean difference of log probabilities."""
    folder = tmp_path / "out"
    export(small_model, origin, folder, linears=linears, card="# Card")
    model = load_block_llama(folder, CPU, torch.float32)
    assert model.config == small_model.config
    difference = (answer(model) - answer(small_model)).abs().mean().item()
    assert distance / 20 < difference < distance
    assert (folder / "model_card.md").read_text() == "# Card"
    assert (folder / "LICENSE").read_text() == "Do as you like."
    assert (folder / "tokenizer.json").read_bytes() == (origin / "tokenizer.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backbone", "out"]


@pytest.mark.parametrize("linears", ["q4", "int8"])
def test_a_second_export_is_the_same_to_the_byte(
    small_model: BlockLlama, origin: Path, tmp_path: Path, linears: Form
) -> None:
    export(small_model, origin, tmp_path / "one", linears=linears, card="")
    again = load_block_llama(tmp_path / "one", CPU, torch.float32)
    export(again, origin, tmp_path / "two", linears=linears, card="")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_bfloat16_weights_are_exported_as_their_float32(
    small_model: BlockLlama, origin: Path
) -> None:
    half = stored_tensors(small_model.bfloat16(), origin, "q4")
    full = stored_tensors(small_model.float(), origin, "q4")
    assert list(half) == list(full)
    assert all(torch.equal(half[name], full[name]) for name in full)


def test_files_keep_their_limit(
    small_model: BlockLlama,
    origin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "LARGEST_FILE", 230_000)
    export(small_model, origin, tmp_path / "out", linears="int8", card="")
    paths = sorted((tmp_path / "out").glob("*.safetensors"))
    assert len(paths) > 2
    assert paths[0].name == f"model-00001-of-{len(paths):05}.safetensors"
    assert max(path.stat().st_size for path in paths) <= 230_000
    assert torch.equal(
        answer(load_block_llama(tmp_path / "out", CPU, torch.float32)),
        answer(reloaded_in_one_file(small_model, origin, tmp_path, monkeypatch)),
    )


def reloaded_in_one_file(
    model: BlockLlama, origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BlockLlama:
    monkeypatch.undo()
    export(model, origin, tmp_path / "whole", linears="int8", card="")
    assert len(list((tmp_path / "whole").glob("*.safetensors"))) == 1
    return load_block_llama(tmp_path / "whole", CPU, torch.float32)


def test_an_older_export_is_replaced(small_model: BlockLlama, origin: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    export(small_model, origin, folder, linears="q4", card="old")
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"from an older one")
    export(small_model, origin, folder, linears="int8", card="new")
    assert load_block_llama(folder, CPU, torch.float32).config == small_model.config
    assert (folder / "model_card.md").read_text() == "new"


def test_a_model_can_be_exported_over_the_folder_it_came_from(
    small_model: BlockLlama, origin: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    export(small_model, origin, folder, linears="q4", card="")
    export(small_model, folder, folder, linears="q4", card="")
    assert (folder / "LICENSE").read_text() == "Do as you like."


def test_a_full_disk_leaves_the_older_export(
    small_model: BlockLlama,
    origin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "out"
    export(small_model, origin, folder, linears="q4", card="old")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.suffix == ".safetensors":
            write(path, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EngineError, match=r"out: No space left on device\. Free some room"):
        export(small_model, origin, folder, linears="int8", card="new")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backbone", "out"]


def test_a_folder_with_other_things_is_left_alone(
    small_model: BlockLlama, origin: Path, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    with pytest.raises(EngineError, match=r"holds 'backbone'.*Choose an empty or a new folder"):
        export(small_model, origin, tmp_path, linears="q4", card="")
    assert (tmp_path / "src").is_dir()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_a_failed_training_is_not_exported(
    small_model: BlockLlama, origin: Path, tmp_path: Path, value: float
) -> None:
    small_model.layers[1].feed_forward.down.weight[3, 4] = value
    with pytest.raises(EngineError, match=r"layers\.1\.feed_forward\.down.*older checkpoint"):
        export(small_model, origin, tmp_path / "out", linears="q4", card="")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["tokenizer.json", "LICENSE"])
def test_missing_files_of_the_backbone_are_named(
    small_model: BlockLlama, origin: Path, tmp_path: Path, name: str
) -> None:
    (origin / name).unlink()
    with pytest.raises(
        EngineError, match=f"{name}: No such file.*has a tokenizer.json and a LICENSE"
    ):
        export(small_model, origin, tmp_path / "out", linears="q4", card="")
    assert not (tmp_path / "out").exists()


def test_a_card_is_replaced_in_a_model_only(
    small_model: BlockLlama, origin: Path, tmp_path: Path
) -> None:
    export(small_model, origin, tmp_path / "out", linears="q4", card="early")
    write_card(tmp_path / "out", "# Scores: größer")
    assert (tmp_path / "out" / "model_card.md").read_text("utf-8") == "# Scores: größer"
    with pytest.raises(EngineError, match=r"nowhere: No such file.*Export the model first"):
        write_card(tmp_path / "nowhere", "text")
