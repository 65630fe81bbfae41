"""A checkpoint comes back exact to the bit, or says which file is wrong and what to do."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.models import replace_folder
from engine.request import EngineError
from engine.train import checkpoint

STATE = {"step": 7, "random": "00ff", "lr": 3e-4, "shards": ["a", "b"], "note": None}


def bits(tensor: Tensor) -> Tensor:
    """The bytes: NaN equals itself, and minus zero is not zero."""
    return tensor.contiguous().view(-1).view(torch.uint8)


def assert_same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert list(left) == list(right)
    for name in left:
        assert left[name].shape == right[name].shape
        assert left[name].dtype == right[name].dtype
        assert torch.equal(bits(left[name]), bits(right[name])), name


def some_tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(30, 40, generator=generator)
    weight[0, :3] = torch.tensor([float("nan"), float("-inf"), -0.0])
    return {
        "master.layers.0.weight": weight,
        "first.layers.0.weight": weight.T,  # not contiguous
        "tied": weight,
        "half": weight.bfloat16(),
        "random": torch.get_rng_state(),
        "step": torch.tensor(5),
        "nothing": torch.empty(0, 3),
    }


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "run", some_tensors(), STATE)
    tensors, state = checkpoint.load(tmp_path / "run")
    assert_same(tensors, some_tensors())
    assert state == STATE


@settings(max_examples=30, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(0, 40), max_size=3), max_size=6),
    largest=st.integers(600, 3000),
    dtype=st.sampled_from(list(checkpoint.DTYPES.values())),
)
def test_any_tensors_in_pieces_of_any_size(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: list[list[int]],
    largest: int,
    dtype: torch.dtype,
) -> None:
    folder = tmp_path_factory.mktemp("run") / "checkpoint"
    tensors = {
        f"tensor.{i}.größe": torch.randint(0, 200, shape).to(dtype)
        for i, shape in enumerate(shapes)
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "LARGEST_PIECE", largest)
        checkpoint.save(folder, tensors, {})
    assert max((path.stat().st_size for path in folder.glob("piece-*")), default=0) <= largest
    assert_same(checkpoint.load(folder)[0], tensors)


def test_a_tensor_larger_than_a_file_is_cut(tmp_path: Path) -> None:
    big = torch.arange(10_000_000, dtype=torch.int64).view(1000, -1)
    checkpoint.save(tmp_path / "run", {"small": torch.ones(3), "big": big}, {})
    sizes = [path.stat().st_size for path in (tmp_path / "run").glob("piece-*.safetensors")]
    assert len(sizes) > 4
    assert max(sizes) <= 16 * 2**20
    assert torch.equal(checkpoint.load(tmp_path / "run")[0]["big"], big)


def test_a_newer_one_replaces_the_older(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    checkpoint.save(folder, {"a": torch.zeros(5_000_000)}, {"step": 1})
    checkpoint.save(folder, {"b": torch.ones(2)}, {"step": 2})
    tensors, state = checkpoint.load(folder)
    assert (list(tensors), state) == (["b"], {"step": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert len(list(folder.iterdir())) == 3


def dies_after(count: int, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The `count`th file from now on cannot be written."""
    write, calls = checkpoint._write, iter(range(count))

    def dying(path: Path, content: bytes) -> dict[str, object]:
        if next(calls, None) is None:
            path.write_bytes(content[: len(content) // 2])
            raise error
        return write(path, content)

    monkeypatch.setattr(checkpoint, "_write", dying)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_dying_while_writing_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    folder = tmp_path / "run"
    checkpoint.save(folder, some_tensors(), STATE)
    dies_after(count, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(folder, {"other": torch.ones(3)}, {"step": 8})
    assert_same(checkpoint.load(folder)[0], some_tensors())
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_dying_between_the_two_renames_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    checkpoint.save(folder, some_tensors(), STATE)
    rename = Path.rename

    def dying(path: Path, target: Path) -> Path:
        if path.name == "run.new":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", dying)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(folder, {"other": torch.ones(3)}, {"step": 8})
    monkeypatch.undo()
    assert not folder.exists()
    assert checkpoint.exists(folder)
    assert checkpoint.load(folder)[1] == STATE
    checkpoint.save(folder, {"other": torch.ones(3)}, {"step": 8})
    assert checkpoint.load(folder)[1] == {"step": 8}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_full_disk_is_said_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    checkpoint.save(folder, some_tensors(), STATE)
    dies_after(1, monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(EngineError, match=r"run: No space left on device\. Free some room"):
        checkpoint.save(folder, {"other": torch.ones(3)}, {"step": 8})
    assert checkpoint.load(folder)[1] == STATE


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.md").write_text("years of work")
    with pytest.raises(EngineError, match=r"thesis\.md.*Choose an empty or a new folder"):
        checkpoint.save(tmp_path, {}, {})
    assert (tmp_path / "thesis.md").read_text() == "years of work"
    with pytest.raises(EngineError, match="is a file"):
        checkpoint.save(tmp_path / "thesis.md", {}, {})


def test_remains_of_a_dead_program_are_cleared(tmp_path: Path) -> None:
    (tmp_path / "run.new").mkdir()
    (tmp_path / "run.new" / "piece-00009.safetensors").write_bytes(b"half")
    checkpoint.save(tmp_path / "run", {"a": torch.ones(1)}, {})
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "index.json",
        "piece-00000.safetensors",
        "state.json",
    ]
    replace_folder.recover(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["piece-00000.safetensors", "state.json"])
def test_a_missing_or_damaged_file_is_named_with_the_cure(tmp_path: Path, name: str) -> None:
    checkpoint.save(tmp_path / "run", some_tensors(), STATE)
    path = tmp_path / "run" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(EngineError, match=f"{name} is damaged.*Copy that file again"):
        checkpoint.load(tmp_path / "run")
    path.write_bytes(content[:-1])
    with pytest.raises(EngineError, match=f"{name} has .* bytes, not .*Copy that file again"):
        checkpoint.load(tmp_path / "run")
    path.unlink()
    with pytest.raises(EngineError, match=f"{name}: No such file.*Copy that file again"):
        checkpoint.load(tmp_path / "run")


def test_a_bad_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no checkpoint"):
        checkpoint.load(tmp_path / "run")
    assert not checkpoint.exists(tmp_path / "run")
    checkpoint.save(tmp_path / "run", some_tensors(), STATE)
    path = tmp_path / "run" / "index.json"
    good = path.read_text()
    cut = json.loads(good)
    cut["tensors"]["tied"]["parts"] = []
    for text in (good[:-20], "[]", "{}", json.dumps(cut)):
        path.write_text(text)
        with pytest.raises(EngineError, match=r"index\.json is damaged"):
            checkpoint.load(tmp_path / "run")
    path.write_text(good.replace('"format": 1', '"format": 2'))
    with pytest.raises(EngineError, match=r"format 2; this version reads 1"):
        checkpoint.load(tmp_path / "run")


def test_an_unknown_type_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"odd is torch\.float64"):
        checkpoint.save(tmp_path / "run", {"odd": torch.ones(1, dtype=torch.float64)}, {})
    assert not list(tmp_path.iterdir())
