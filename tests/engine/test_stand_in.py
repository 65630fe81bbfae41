"""Whatever keeps a model from being loaded: one line with the cure, and the bundled one in its place
where that is allowed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import diagnosis
from engine.config import EngineConfig
from engine.engine import Engine
from engine.models import loading
from engine.models.block_llama import BlockLlama
from engine.request import EngineError, EngineInfo, InfillRequest
from engine.worker import Worker


@pytest.fixture
def folder(gemma_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(gemma_folder, tmp_path / "copy"))


def ready(config: EngineConfig) -> EngineInfo:
    worker = Worker(config)
    try:
        return worker.ready.result(timeout=100)
    finally:
        worker.close()


def cut_short(folder: Path) -> None:
    path = sorted(folder.glob("*.safetensors"))[-1]
    path.write_bytes(path.read_bytes()[:-100])


def other_revision(folder: Path) -> None:
    sorted(folder.glob("*.safetensors"))[-1].unlink()


def unreadable(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "diffusion_gemma", "text_config": {}}')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_short, "is damaged"),
        (other_revision, "do not fit: missing"),
        (unreadable, "not a model's configuration"),
    ],
)
def test_a_folder_that_is_not_whole(folder: Path, damage: Any, said: str) -> None:
    damage(folder)
    config = EngineConfig(model=str(folder), device="cpu")
    with pytest.raises(EngineError, match=rf"{said}.*download the model again"):
        ready(config)
    info = ready(replace(config, bundled_instead=True))
    assert info.model == "qwen2.5-coder-0.5b"
    assert said in info.instead
    assert info.instead.endswith("download the model again.")


def test_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    info = ready(EngineConfig(device="cuda", bundled_instead=True))
    assert info.device == "cpu"
    assert "set the device to auto or cpu" in info.instead


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "does not fit .* End other programs"),
        (
            RuntimeError("CUDA error: no kernel image\nmore"),
            "no kernel image. Run `infill-lsp doctor`",
        ),
    ],
)
def test_what_is_known_only_by_trying(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, said: str
) -> None:
    """While weights are loaded, or at the first forward."""
    load = loading.load_model

    def fail(config: EngineConfig, *more: Any) -> Any:
        if config.device == "cpu":
            return load(config, *more)
        raise failure

    monkeypatch.setattr(loading, "load_model", fail)
    with pytest.raises(EngineError, match=said):
        ready(EngineConfig())
    assert ready(EngineConfig(bundled_instead=True)).instead


def test_the_bundled_model_has_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*more: Any) -> Any:
        raise EngineError("Weights are missing.")

    monkeypatch.setattr(loading, "load_model", fail)
    with pytest.raises(EngineError, match="Weights are missing"):
        ready(EngineConfig(device="cpu", bundled_instead=True))


@pytest.mark.parametrize(
    ("cuda", "failure", "why", "cure"),
    [
        (None, "", "built without CUDA", "CUDA build"),
        ("13.0", "The NVIDIA driver on your system is too old (found version 12020)", "too old", "Update"),
        ("13.0", "Found no NVIDIA driver on your system", "no NVIDIA driver", "Install one"),
        ("13.0", "something else", "no GPU answers", "nvidia-smi"),
    ],
)  # fmt: skip
def test_why_there_is_no_cuda(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, failure: str, why: str, cure: str
) -> None:
    def init() -> None:
        raise RuntimeError(failure)

    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = diagnosis.why_no_cuda()
    assert why in said[0]
    assert cure in said[1]
    with pytest.raises(EngineError, match=f"{why}.*{cure}.*auto or cpu"):
        loading.find_device("cuda")


@pytest.mark.parametrize("call", ["encode", "denoise"])
def test_a_fill_that_runs_out_of_memory_costs_only_itself(
    tiny_mask_model: BlockLlama,
    byte_tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    engine = Engine(tiny_mask_model, byte_tokenizer, EngineConfig(device="cpu", threads=1))
    request = InfillRequest("def f(", max_tokens=4)

    def drafts() -> Iterator[Any]:
        return engine.infill(request)

    def fail(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(tiny_mask_model, call, fail)
        with pytest.raises(EngineError, match=r"ran out of memory.*fewer variants"):
            list(drafts())
    *_, last = drafts()
    assert last.stats.reused_tokens == 0
    assert last.final
