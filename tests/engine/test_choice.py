"""`model: "auto"`: which of two models is loaded, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import qwen_gguf
import torch

from engine.config import EngineConfig
from engine.models import catalog, choice, import_qwen, load_model
from engine.models.block_llama import BlockLlama
from engine.models.catalog import KnownModel, known_models
from engine.models.choice import BUNDLED, LARGER, SLOWEST_FORWARD, forward_seconds, load_chosen
from engine.request import EngineError, EngineInfo
from engine.worker import Worker

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
INFO = EngineInfo(
    model="x",
    device="cpu",
    dtype="int4",
    order="left_to_right",
    sees_after=True,
    ends_itself=True,
    weighs=True,
    licence="Apache-2.0",
    parameters=1,
    weights_bytes=1,
    context_tokens=8192,
    canvas_tokens=256,
    load_seconds=0.1,
)


class Models:
    """What is on the machine, and how long a core takes for a forward of each."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.seconds = {BUNDLED: 0.02, LARGER: 0.06}
        self.broken = ""
        self.loaded: list[str] = []
        self.known = {model.name: model for model in known_models()}
        patch.setattr(catalog, "models_folder", lambda: folder)
        patch.setattr(catalog, "BUNDLED", folder / BUNDLED)
        self.put(BUNDLED)
        patch.setattr(choice, "forward_seconds", self.seconds.__getitem__)
        patch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=self.free))
        properties = SimpleNamespace(total_memory=8 * 10**9)
        patch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
        self.free = 4 * 10**9

    def put(self, name: str) -> KnownModel:
        model = self.known[name]
        model.path.mkdir(parents=True)
        (model.path / "config.json").write_text("{}")
        return model

    def load(self, name: str) -> Any:
        self.loaded.append(name)
        if name == self.broken:
            raise EngineError(f"{name} is damaged")
        return name, None, replace(INFO, model=name)

    def choose(self, device: torch.device = CPU) -> EngineInfo:
        self.loaded.clear()
        return load_chosen(device, self.load)[2]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Models:
    return Models(monkeypatch, tmp_path)


def test_the_larger_one_where_it_is_here_and_quick(models: Models) -> None:
    models.put(LARGER)
    models.seconds[LARGER] = SLOWEST_FORWARD
    info = models.choose()
    assert (info.model, info.instead, info.offer) == (LARGER, "", "")
    assert info.chosen == "100 ms of a core for a forward"
    assert models.loaded == [LARGER]


def test_the_bundled_one_where_the_larger_is_slow(models: Models) -> None:
    models.put(LARGER)
    models.seconds[LARGER] = 1.01 * SLOWEST_FORWARD
    info = models.choose()
    assert (info.model, info.offer) == (BUNDLED, "")
    assert info.chosen == f"{LARGER} is too slow here: 101 ms of a core for a forward, over 100"
    assert models.loaded == [LARGER, BUNDLED]


def test_a_gpu_is_quick_enough(models: Models) -> None:
    models.put(LARGER)
    models.seconds.clear()
    assert models.choose(CUDA).model == LARGER


def test_a_damaged_one_is_replaced_and_the_status_can_say_so(models: Models) -> None:
    models.put(LARGER)
    models.broken = LARGER
    info = models.choose()
    assert (info.model, info.instead) == (BUNDLED, f"{LARGER} is damaged")


def test_one_that_does_not_fit_is_not_loaded(models: Models) -> None:
    models.put(LARGER)
    models.free = 10**9
    info = models.choose()
    assert models.loaded == [BUNDLED]
    assert info.chosen.startswith(f"{LARGER} does not fit: it needs 1.0 GB")


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_what_would_be_taken_is_offered(models: Models, device: torch.device) -> None:
    info = models.choose(device)
    assert (info.model, info.offer) == (BUNDLED, LARGER)
    assert info.chosen == f"{LARGER} is not here"


def test_what_would_not_be_taken_is_not(models: Models) -> None:
    own, larger = models.known[BUNDLED], models.known[LARGER]
    models.seconds[BUNDLED] = 1.01 * SLOWEST_FORWARD * own.parameters / larger.parameters
    info = models.choose()
    assert info.offer == ""
    assert "might be too slow: 101 ms" in info.chosen
    models.seconds[BUNDLED] = 0.01
    models.free = 10**9
    assert models.choose().offer == ""


def test_a_bundled_one_that_is_damaged_is_no_choice(models: Models) -> None:
    models.broken = BUNDLED
    with pytest.raises(EngineError, match="bundled is damaged"):
        models.choose()


def test_a_forward_is_measured_in_one_cores_time(
    tiny_causal_model: BlockLlama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the wall clock says."""
    clock = iter([1.0, 1.6])
    threads: list[int] = []
    denoise = tiny_causal_model.denoise

    def counted(*arguments: Any) -> Any:
        threads.append(torch.get_num_threads())
        return denoise(*arguments)

    monkeypatch.setattr(tiny_causal_model, "denoise", counted)
    monkeypatch.setattr(choice, "PROMPT", 16)
    monkeypatch.setattr(choice.time, "thread_time", lambda: next(clock))
    assert forward_seconds(tiny_causal_model) == pytest.approx(0.6 / choice.TRIES)
    assert threads == [1] * (1 + choice.TRIES)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, KnownModel]:
    """Two small models, made as the real ones are."""
    file = qwen_gguf.write(tmp_path / "model.gguf")
    monkeypatch.setattr(import_qwen, "check", lambda file, model: None)
    monkeypatch.setattr(catalog, "models_folder", lambda: tmp_path)
    monkeypatch.setattr(catalog, "BUNDLED", tmp_path / BUNDLED)
    known = {model.name: model for model in known_models()}
    for name in (BUNDLED, LARGER):
        import_qwen.convert(file, known[name], known[name].path)
    return known


def cut_short(folder: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-100])


def test_from_a_configuration_to_a_model(
    two: dict[str, KnownModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real loader and worker: here, damaged, and both damaged."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**10))
    config = EngineConfig(device="cpu", threads=1)
    *_, info = load_model(config)
    assert (info.model, info.instead) == (LARGER, "")
    assert info.chosen.endswith("ms of a core for a forward")
    cut_short(two[LARGER].path)
    info = ready(config)
    assert info.model == "qwen2.5-coder-0.5b"
    assert "is damaged" in info.instead
    cut_short(two[BUNDLED].path)
    with pytest.raises(EngineError, match="is damaged"):
        ready(config)


def ready(config: EngineConfig) -> EngineInfo:
    worker = Worker(config)
    try:
        return worker.ready.result(timeout=100)
    finally:
        worker.close()
