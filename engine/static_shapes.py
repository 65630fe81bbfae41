"""A model's step in few shapes, each captured as a CUDA graph when it is first wanted.

A step is some two thousand small launches, which a CPU makes more slowly than the device does them.
A graph replays them all at once, but always with the same sizes and places in memory: so canvas,
rows and variants are padded to the next of a few sizes and copied to where the graph reads them. Of
the prompt only addresses and length are copied (`kernels.Held`), so a graph serves all prompts.
Without CUDA the same is done without a graph.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from engine.config import CANVAS_SIZES
from engine.models.base import KV, Asked, PredictingModel
from engine.models.kernels import Held, Prediction

BATCHES = (1, 2, 4, 8, 16)
"""Variants in one step; more are not captured."""
BAN_LINES = 2
"""The bans of a request, and one constrained position (a token that was begun)."""

Outcome = tuple[Prediction, Tensor]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of one step."""

    variants: int
    canvas: int
    rows: int


def shape_for(variants: int, canvas: int, rows: int) -> Shape | None:
    """The smallest captured shape that holds so much; None: there is none."""
    if variants > BATCHES[-1] or canvas > CANVAS_SIZES[-1]:
        return None
    return Shape(
        BATCHES[bisect_left(BATCHES, variants)],
        CANVAS_SIZES[bisect_left(CANVAS_SIZES, canvas)],
        CANVAS_SIZES[bisect_left(CANVAS_SIZES, rows)],
    )


class StaticShapes:
    """`PredictingModel.predict`, for one step at a time."""

    def __init__(self, model: PredictingModel) -> None:
        self._model = model
        self._steps: dict[Shape, _Step] = {}
        self._pool = torch.cuda.graph_pool_handle() if model.device.type == "cuda" else None

    @torch.inference_mode()
    def warm_up(self, kv: KV) -> None:
        """Capture what one variant needs, so that no user waits for a compiler; `kv`: any prompt.
        Other shapes then share its kernels, and are captured in a blink when first wanted."""
        device, vocabulary = self._model.device, self._model.spec.vocab_size
        for size in CANVAS_SIZES:
            zeros = torch.zeros(1, size, dtype=torch.int64, device=device)
            bans = torch.zeros(1, vocabulary, device=device)
            asked = Asked(torch.ones(1, device=device), bans, zeros, zeros.float())
            self.predict(zeros, kv, zeros, None, asked)

    @torch.inference_mode()
    def predict(
        self, canvas: Tensor, kv: KV, rows: Tensor, expected: Tensor | None, asked: Asked
    ) -> Outcome:
        """See `PredictingModel.predict`."""
        held = self._model.held(canvas, kv)
        shape = shape_for(canvas.shape[0], canvas.shape[1], rows.shape[1])
        if shape is None or asked.bans.shape[0] > BAN_LINES:
            return self._model.predict(canvas, held, rows, expected, asked)
        if shape not in self._steps:
            self._steps[shape] = _Step(self._model, shape, held, self._pool)
        step = self._steps[shape]
        step.fill(canvas, held, rows, expected, asked)
        prediction, signal = step.run()
        # Copies: the next replay writes to the same places.
        variants, count = rows.shape
        kept = (getattr(prediction, field.name) for field in fields(Prediction))
        said = Prediction(*(each[:variants, :count].clone() for each in kept))
        return said, signal[:variants, : canvas.shape[1]].clone()


class _Step:
    """One shape: what its graph reads, and how it is run."""

    def __init__(self, model: PredictingModel, shape: Shape, held: Held, pool: Any) -> None:
        """held: of any prompt. pool: memory that all graphs share. None: no graph."""
        self._model = model
        device, count = model.device, shape.rows
        self._canvas = torch.zeros(shape.variants, shape.canvas, dtype=torch.int64, device=device)
        self._rows = torch.zeros(shape.variants, count, dtype=torch.int64, device=device)
        self._asked = Asked(
            cold=torch.ones(1, device=device),
            bans=torch.zeros(BAN_LINES, model.spec.vocab_size, device=device),
            banned=torch.zeros_like(self._rows),
            uniforms=torch.zeros(shape.variants, count, device=device),
        )
        self._bans: Tensor | None = None
        self._held = Held(held.buffers, held.addresses.clone(), held.counts.clone())
        # The first run is made in any case: kernels are compiled in it, which no graph may hold.
        self._expected = torch.zeros_like(self._once(None)[1])
        self.run = self._captured(pool) if pool is not None else lambda: self._once(self._expected)

    def fill(
        self, canvas: Tensor, held: Held, rows: Tensor, expected: Tensor | None, asked: Asked
    ) -> None:
        """Put a step where the graph reads it. Padding repeats the last position that is asked for,
        and is otherwise left as it is: nothing looks at it."""
        variants, width = canvas.shape
        self._canvas[:variants, :width] = canvas
        for mine, given in (
            (self._rows, rows),
            (self._asked.banned, asked.banned),
            (self._asked.uniforms, asked.uniforms),
        ):
            mine[:variants, : given.shape[1]] = given
            mine[:variants, given.shape[1] :] = given[:, -1:]
        self._asked.cold.copy_(asked.cold)
        if self._bans is not asked.bans:  # the same in all steps of a canvas
            self._asked.bans[: asked.bans.shape[0]] = asked.bans
            self._bans = asked.bans
        self._held.buffers = held.buffers
        self._held.addresses.copy_(held.addresses)
        self._held.counts.copy_(held.counts)
        if expected is None:
            self._expected.zero_()
        else:
            self._expected[:variants, :width] = expected

    def _once(self, expected: Tensor | None) -> Outcome:
        return self._model.predict(self._canvas, self._held, self._rows, expected, self._asked)

    def _captured(self, pool: Any) -> Callable[[], Outcome]:
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            outcome = self._once(self._expected)

        def replay() -> Outcome:
            graph.replay()
            return outcome

        return replay
