"""A step waits for the device once, when it is shown."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine import denoise
from engine.bench.shapes import TINY
from engine.canvas import Canvas
from engine.denoise import Step
from engine.models import kernels
from engine.models.base import Asked
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.gemma_weights import pack_matrices
from engine.sampler import sampling_for
from engine.static_shapes import StaticShapes

META = torch.device("meta")
"""Its tensors hold no numbers, so that whoever asks for one fails: as on a card he would wait."""
VARIANTS, WIDTH, SLOTS, STEPS = 3, 14, 11, 4


def test_the_loop_asks_for_numbers_once_a_step(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model in fixed shapes, by its kernels (which are not run), sampling and stop test."""
    if device.type == "cuda":
        pytest.skip("tests/gpu has the same for a card")
    from triton.runtime.interpreter import InterpretedFunction

    monkeypatch.setattr(InterpretedFunction, "__getitem__", lambda *_: lambda *args, **how: None)
    monkeypatch.setattr(kernels, "on", lambda tensor: True)
    with META:
        model = DiffusionGemma(TINY)
        slots = torch.arange(2, 2 + SLOTS).expand(VARIANTS, -1)
        ids = torch.zeros(WIDTH, dtype=torch.int64)
        canvas = Canvas(ids, ids.bool(), ids)
        lines, banned = torch.zeros(1, 512), torch.zeros(VARIANTS, SLOTS, dtype=torch.int64)
    model.sliding_rotary.to(META)
    model.full_rotary.to(META)
    pack_matrices(model, "int4", torch.float32)
    shapes, kv = StaticShapes(model), model.new_kv()
    model.encode(torch.empty(20, dtype=torch.int64, device=META), kv)
    shown: list[Step] = []

    def on_host(step: Step) -> Step:
        shown.append(step)
        assert step.ids.device == META
        return Step(step.index, *torch.zeros(4, VARIANTS, WIDTH).bool())

    def said(ids: Any, rows: Any, signal: Any, asked: Asked) -> Any:
        return shapes.predict(ids, kv, rows, signal, asked)

    monkeypatch.setattr(Step, "on_host", on_host)
    run = denoise._uniform(
        said, canvas, slots, lines, banned, sampling_for(model.spec), None, STEPS
    )  # fmt: skip
    assert len(list(run)) == len(shown) == STEPS
