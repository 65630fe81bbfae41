"""Steps in few shapes: the same results as in the shape that was asked for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from gemma_checkpoint import VOCABULARY, WINDOW, random_ids
from torch import Tensor

from engine.canvas import build
from engine.config import CANVAS_SIZES
from engine.denoise import Predict, Step, denoise
from engine.models.base import KV, Asked, PredictingModel
from engine.models.block_llama import BlockLlama
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.gemma_config import read_gemma_config
from engine.models.gemma_weights import load_diffusion_gemma
from engine.sampler import Constraint, sampling_for
from engine.static_shapes import BATCHES, Shape, StaticShapes, shape_for


@pytest.fixture(scope="module")
def device() -> torch.device:
    return torch.device("cpu")


@pytest.fixture(scope="module")
def model(gemma_folder: Path, device: torch.device) -> DiffusionGemma:
    return load_diffusion_gemma(
        gemma_folder, read_gemma_config(gemma_folder), device, torch.float32
    )


def encoded(model: DiffusionGemma, length: int, seed: int = 0) -> KV:
    kv = model.new_kv()
    model.encode(random_ids(length, seed=seed).to(model.device), kv)
    return kv


def steps(model: DiffusionGemma, kv: KV, predict: Predict | None, **how: Any) -> list[Step]:
    """Six steps over a canvas of 23 tokens, of which 13 are free, with bans and a constraint."""
    device = model.device
    canvas = build(
        [7, 8, 9, 10], [13], [], [11] * 6, model.spec, torch.Generator(device).manual_seed(1)
    )
    bans = torch.zeros(VOCABULARY, device=device)
    bans[20:40] = -torch.inf
    few = Constraint(4, torch.tensor([20, 50, 60], device=device))
    run = denoise(
        lambda ids, rows, signal: model.denoise(ids, kv, rows, signal),
        canvas,
        sampling_for(model.spec),
        torch.Generator(device).manual_seed(2),
        bans=bans,
        constraints=[few],
        max_steps=6,
        predict=predict,
        **how,
    )
    return list(run)


def on(shapes: StaticShapes, kv: KV) -> Predict:
    return lambda ids, rows, signal, asked: shapes.predict(ids, kv, rows, signal, asked)


def same(found: list[Step], wanted: list[Step]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one.ids, other.ids)
        assert torch.equal(one.settled, other.settled)
        assert torch.equal(one.done, other.done)
        torch.testing.assert_close(one.confidence, other.confidence, atol=1e-3, rtol=0)


@pytest.mark.parametrize("length", [1, WINDOW, 100])
@pytest.mark.parametrize("variants", [1, 3])
def test_padded_steps_are_those_of_the_plain_loop(
    model: DiffusionGemma, length: int, variants: int
) -> None:
    """By logits, as every model does it; by the model's own step; and by that in a fixed shape."""
    kv = encoded(model, length)
    plain = steps(model, kv, None, variants=variants)

    def own(
        ids: Tensor, rows: Tensor, signal: Tensor | None, asked: Asked
    ) -> Any:  # fmt: skip
        return model.predict(ids, model.held(ids, kv), rows, signal, asked)

    same(steps(model, kv, own, variants=variants), plain)
    same(steps(model, kv, on(StaticShapes(model), kv), variants=variants), plain)
    assert all(int(step.ids[0, 4]) in (20, 50, 60) for step in plain)


def test_one_shape_serves_prompts_of_all_lengths_and_places(model: DiffusionGemma) -> None:
    """Also one whose buffers have moved, and a canvas that leaves padding behind for the next."""
    shapes = StaticShapes(model)
    for length, variants in ((100, 4), (3, 1), (WINDOW + 1, 3), (1000, 1)):
        kv = encoded(model, length, seed=length)
        wanted = steps(model, kv, None, variants=variants)
        same(steps(model, kv, on(shapes, kv), variants=variants), wanted)
    assert sorted(step.variants for step in shapes._steps) == [1, 4]


def test_what_was_returned_stays_when_the_next_step_is_made(model: DiffusionGemma) -> None:
    shapes, kv = StaticShapes(model), encoded(model, 20)
    rows = torch.arange(16, device=model.device)[None]
    bans = torch.zeros(1, VOCABULARY, device=model.device)
    zeros = torch.zeros_like(rows)
    asked = Asked(torch.ones(1, device=model.device), bans, zeros, zeros.float())
    canvas = random_ids(1, 16).to(model.device)
    said, signal = shapes.predict(canvas, kv, rows, None, asked)
    before = said.entropy.clone(), signal.clone()
    shapes.predict(canvas.flip(1), kv, rows, signal, asked)
    assert torch.equal(said.entropy, before[0])
    assert torch.equal(signal, before[1])


def test_a_canvas_at_the_end_of_the_context(model: DiffusionGemma) -> None:
    """Its padding lies behind the context, where there are no positions."""
    kv = encoded(model, model.spec.context_length - 23)
    same(steps(model, kv, on(StaticShapes(model), kv)), steps(model, kv, None))


def test_after_the_warm_up_one_variant_captures_nothing(model: DiffusionGemma) -> None:
    shapes, kv = StaticShapes(model), encoded(model, 20)
    shapes.warm_up(kv)
    captured = set(shapes._steps)
    same(steps(model, kv, on(shapes, kv)), steps(model, kv, None))
    assert {Shape(1, size, size) for size in CANVAS_SIZES} == captured
    assert set(shapes._steps) - captured == {Shape(1, 32, 16)}


def test_shapes_are_the_smallest_that_hold_a_step() -> None:
    for variants, canvas, rows in itertools.product(
        (1, 2, 3, 9, 16), (1, 16, 17, 256), (1, 16, 60)
    ):
        shape = shape_for(variants, canvas, rows)
        assert shape is not None
        for found, wanted, sizes in (
            (shape.variants, variants, BATCHES),
            (shape.canvas, canvas, CANVAS_SIZES),
            (shape.rows, rows, CANVAS_SIZES),
        ):
            assert found == min(size for size in sizes if size >= wanted)
    assert shape_for(1, 256, 256) == Shape(1, 256, 256)
    assert shape_for(17, 16, 16) is None


def test_only_models_with_a_step_of_their_own_get_one(
    model: DiffusionGemma, tiny_uniform_model: BlockLlama
) -> None:
    assert isinstance(model, PredictingModel)
    assert not isinstance(tiny_uniform_model, PredictingModel)
