"""Packed weights that are kept: the second start reads them, and never wrong ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from gemma_checkpoint import random_ids

from engine.config import EngineConfig
from engine.models import kept, load_model, loading
from engine.models.forms import Form
from engine.models.kept import kept_folder


@pytest.fixture
def folder(gemma_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(gemma_folder, tmp_path / "copy"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "DISK_RESERVE", 0)
    return tmp_path / "cache" / "packed"


class Packings:
    """Counts how often a checkpoint is packed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        load = loading.load_diffusion_gemma

        def counted(*arguments: Any) -> Any:
            self.count += 1
            return load(*arguments)

        monkeypatch.setattr(loading, "load_diffusion_gemma", counted)


@pytest.fixture
def packings(monkeypatch: pytest.MonkeyPatch) -> Packings:
    return Packings(monkeypatch)


def answer(folder: Path, form: Form) -> torch.Tensor:
    model, *_ = load_model(EngineConfig(model=str(folder), device="cpu", quantization=form))
    kv = model.new_kv()
    model.encode(random_ids(40), kv)
    return model.denoise(random_ids(1, 12), kv, torch.arange(12)[None])


@pytest.mark.parametrize("form", ["int8", "fp8", "int4"])
def test_the_second_start_packs_nothing_and_says_the_same(
    folder: Path, form: Form, packings: Packings, cache: Path
) -> None:
    first = answer(folder, form)
    assert torch.equal(answer(folder, form), first)
    assert packings.count == 1
    (place,) = cache.iterdir()
    assert sorted(path.name for path in place.iterdir()) == [
        *(f"layer-{index:03}.safetensors" for index in range(5)),
        "rest.safetensors",
    ]


def test_a_changed_checkpoint_is_packed_anew_and_the_old_dropped(
    folder: Path, packings: Packings, cache: Path
) -> None:
    answer(folder, "int8")
    answer(folder, "fp8")
    path = next(folder.glob("*.safetensors"))
    os.utime(path, ns=(1, 1))
    answer(folder, "int8")
    assert packings.count == 3
    assert sorted(path.name.split("-")[1] for path in cache.iterdir()) == ["fp8", "int8"]


@pytest.mark.parametrize("damage", ["cut", "lost", "foreign"])
def test_what_is_damaged_is_not_used(
    folder: Path, packings: Packings, cache: Path, damage: str
) -> None:
    first = answer(folder, "int8")
    (place,) = cache.iterdir()
    path = place / "layer-002.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "lost":
        path.unlink()
    else:
        shutil.copy(place / "layer-001.safetensors", path)
    assert torch.equal(answer(folder, "int8"), first)
    assert packings.count == 2
    answer(folder, "int8")
    assert packings.count == 2, "and was mended"


def test_a_full_disk_is_no_failure(
    folder: Path, packings: Packings, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "DISK_RESERVE", 10**18)
    answer(folder, "int8")
    answer(folder, "int8")
    assert packings.count == 2
    assert not list(cache.iterdir())


def test_dying_while_writing_leaves_nothing_behind(
    folder: Path, packings: Packings, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kept, "save_file", die)
        with pytest.raises(KeyboardInterrupt):
            answer(folder, "int8")
    assert not list(cache.iterdir())
    answer(folder, "int8")
    assert packings.count == 2


def test_the_type_of_activations_is_part_of_the_name(folder: Path) -> None:
    one, other = (kept_folder(folder, "int8", each) for each in (torch.float32, torch.bfloat16))
    assert one != other
