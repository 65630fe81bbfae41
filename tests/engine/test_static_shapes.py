"""Steps in few shapes: the same results as in the shape that was asked for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from gemma_checkpoint import VOCABULARY, WINDOW, random_ids
from gemma_steps import ALLOWED, FIRST, WIDTH, encoded, on, same, steps
from torch import Tensor

from engine.config import CANVAS_SIZES
from engine.models.base import Asked, PredictingModel
from engine.models.block_llama import BlockLlama
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.gemma_config import read_gemma_config
from engine.models.gemma_weights import load_diffusion_gemma
from engine.static_shapes import BATCHES, Shape, StaticShapes, shape_for


@pytest.fixture(scope="module")
def model(gemma_folder: Path) -> DiffusionGemma:
    config = read_gemma_config(gemma_folder)
    return load_diffusion_gemma(gemma_folder, config, torch.device("cpu"), torch.float32)


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
    assert all(int(step.ids[0, FIRST]) in ALLOWED for step in plain)


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
    kv = encoded(model, model.spec.context_length - WIDTH)
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
