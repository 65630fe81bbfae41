"""The small model on the device: against transformers, by graphs, and with one wait a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from gemma_checkpoint import VOCABULARY, WINDOW, random_ids
from gemma_steps import encoded, on, same, steps
from kernel_table import NOTE

import engine
from engine.bench.random_weights import random_model
from engine.bench.shapes import PUBLISHED
from engine.config import EngineConfig
from engine.models.base import Asked
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.forms import Form
from engine.models.gemma_config import read_gemma_config
from engine.models.gemma_weights import load_diffusion_gemma
from engine.models.kernels import Prediction
from engine.request import InfillRequest, Stop
from engine.sampler import accept_uniform, sampling_for
from engine.static_shapes import StaticShapes

pytestmark = pytest.mark.gpu


def load(
    folder: Path, device: torch.device, dtype: torch.dtype, form: Form | None = None
) -> DiffusionGemma:
    return load_diffusion_gemma(folder, read_gemma_config(folder), device, dtype, form)


@pytest.mark.parametrize("length", [1, WINDOW, 100])
def test_logits_are_those_of_transformers(
    device: torch.device, folder: Path, reference: Any, length: int
) -> None:
    """In float32, which the kernels multiply exactly."""
    model, prompt, canvas = (
        load(folder, device, torch.float32),
        random_ids(length),
        random_ids(1, 20),
    )
    cache = reference.model.encoder(input_ids=prompt[None]).past_key_values
    wanted = reference(past_key_values=cache, decoder_input_ids=canvas).logits
    kv = encoded(model, length)
    found = model.denoise(canvas.to(device), kv, torch.arange(20, device=device)[None])
    torch.testing.assert_close(found.cpu(), wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "off"), [(torch.float32, 0.02), (torch.bfloat16, 0.3)], ids=["float32", "bfloat16"]
)
@pytest.mark.parametrize("form", [None, "int8", "fp8", "int4"])
def test_on_the_device_as_on_the_cpu(
    device: torch.device,
    folder: Path,
    form: Form | None,
    dtype: torch.dtype,
    off: float,
    record_property: Callable[[str, object], None],
) -> None:
    """The same weights in the same form; on the CPU in float32. off: nats, what rounding costs half
    of the positions; some of the others it sends to another expert."""
    answers = []
    for where, kind in ((device, dtype), (torch.device("cpu"), torch.float32)):
        model = load(folder, where, kind, form)
        kv, canvas = encoded(model, 40), random_ids(1, 20).to(where)
        rows = torch.arange(20, device=where)[None]
        answers.append(model.denoise(canvas, kv, rows).log_softmax(-1).cpu())
    difference = (answers[0] - answers[1]).abs()
    usual = difference.mean(-1).median()
    record_property(NOTE, f"{usual:.4f} nats off, at most {difference.max():.4f}")
    assert usual < off


@pytest.mark.parametrize("variants", [1, 3])
def test_a_graph_goes_the_way_of_the_plain_loop(
    card: torch.device, folder: Path, variants: int
) -> None:
    """One graph for prompts of several lengths, whose buffers lie elsewhere each time."""
    model = load(folder, card, torch.float32)
    shapes = StaticShapes(model)
    for length in (100, 1, WINDOW, 900):
        kv = encoded(model, length, seed=length)
        wanted = steps(model, kv, None, variants=variants)
        same(steps(model, kv, on(shapes, kv), variants=variants), wanted)
    assert len(shapes._steps) == 1


@pytest.mark.parametrize("form", [None, "fp8", "int4"])
def test_a_graph_is_the_eager_step_to_the_bit(
    card: torch.device, folder: Path, form: Form | None
) -> None:
    model = load(folder, card, torch.bfloat16, form)
    eager, graph = StaticShapes(model), StaticShapes(model)
    eager._pool = None
    for length in (40, 900):
        kv = encoded(model, length, seed=length)
        canvas, rows = random_ids(2, 32).to(card), torch.arange(32, device=card).repeat(2, 1)
        signals: list[torch.Tensor | None] = [None, None]
        for step in range(3):
            asked = asked_for(rows, card, seed=step)
            answers = []
            for index, shapes in enumerate((eager, graph)):
                said, signals[index] = shapes.predict(canvas, kv, rows, signals[index], asked)
                answers.append(said)
            for field in fields(Prediction):
                assert torch.equal(*(getattr(said, field.name) for said in answers)), field.name
            assert torch.equal(*signals)  # type: ignore[arg-type]
            canvas = answers[0].token


def asked_for(rows: torch.Tensor, device: torch.device, seed: int) -> Asked:
    generator = torch.Generator(device).manual_seed(seed)
    return Asked(
        torch.ones(1, device=device),
        torch.zeros(1, VOCABULARY, device=device),
        torch.zeros_like(rows),
        torch.rand(rows.shape, generator=generator, device=device),
    )


def test_nothing_in_a_step_waits_for_the_device(card: torch.device, folder: Path) -> None:
    device = card
    model = load(folder, device, torch.bfloat16)
    shapes, kv = StaticShapes(model), encoded(model, 40)
    sampling, generator = sampling_for(model.spec), torch.Generator(device).manual_seed(0)
    canvas, rows = random_ids(2, 32).to(device), torch.arange(32, device=device).repeat(2, 1)
    asked = asked_for(rows, device, seed=1)
    _, signal = shapes.predict(canvas, kv, rows, None, asked)  # captures
    torch.cuda.set_sync_debug_mode("error")
    try:
        said, _ = shapes.predict(canvas, kv, rows, signal, asked)
        accept_uniform(said, sampling, generator)  # type: ignore[arg-type]
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_engine_fills_a_gap(
    device: torch.device, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.models.loading.kept_folder", lambda *_: tmp_path / "kept")
    config = EngineConfig(model=str(folder), device=device.type, quantization="fp8")
    loaded = engine.load(config)
    try:
        assert loaded.ready.result(timeout=60).device == device.type
        request = InfillRequest("def f(", "\n", variants=3, max_tokens=20)
        draft = loaded.submit(request).result.result(timeout=60)
        assert draft.stop is not Stop.RUNNING
        assert len(draft.fills) == 3
    finally:
        loaded.close()


@pytest.mark.timeout(30, method="thread")
def test_four_bits_and_a_full_cache_take_18_gb(
    card: torch.device, record_property: Callable[[str, object], None]
) -> None:
    """The published shape, measured; logits and a step's own numbers come on top."""
    if torch.cuda.mem_get_info(card)[0] < 22e9:
        pytest.skip("less than 22 GB are free")
    torch.cuda.reset_peak_memory_stats(card)
    before = torch.cuda.memory_allocated(card)
    model = random_model(PUBLISHED, "int4", card, torch.bfloat16)
    kv = model.new_kv()
    model.encode(torch.randint(262_144, (7936,), device=card), kv)
    held = torch.cuda.memory_allocated(card) - before
    most = torch.cuda.max_memory_allocated(card) - before
    record_property(NOTE, f"{held / 1e9:.2f} GB held, {most / 1e9:.2f} GB at most")
    assert held < 18e9
