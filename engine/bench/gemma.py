"""One DiffusionGemma, measured by the product's own steps.

Weights are random, so nothing that is said means anything and no step stops early: steps are fixed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.bench import reference
from engine.bench.figures import Row, failed, first_line
from engine.bench.limits import (
    Part,
    Rates,
    limit_seconds,
    median_seconds,
    prompt_parts,
    step_parts,
    wait,
)
from engine.bench.shapes import KEY_SLOTS, KEY_TOKENS, Size
from engine.bench.time_limit import OutOfTime, time_limit
from engine.canvas import build
from engine.denoise import denoise
from engine.models.base import KV, Asked
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.forms import Form
from engine.sampler import UniformSampling
from engine.static_shapes import StaticShapes

STEPS = 16
"""Of a canvas, as vLLM reports."""


@dataclass(slots=True)
class Subject:
    """One model that is measured."""

    model: DiffusionGemma
    form: Form | None
    name: str
    size: Size
    ids: Tensor
    rates: Rates
    repeats: int
    until: float

    def rows(self) -> Iterator[Row]:
        """All but transformers."""
        device = self.model.device
        held = [*self.model.parameters(), *self.model.buffers()]
        yield self._row("weights", 0, 0, sum(each.nbytes for each in held) / 1e9, "GB")
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        shapes, kv = StaticShapes(self.model), self.model.new_kv()
        for context in self.size.contexts:
            if self._late():
                return
            kv.truncate(0)
            yield self._prefill(kv, context)
            yield self._step(shapes, kv, context, 1)
            yield self._keystroke(shapes, kv, context)
        kv.truncate(self.size.usual)
        for batch in self.size.batches:
            if self._late():
                return
            if batch > 1:
                yield self._step(shapes, kv, self.size.usual, batch)
            if batch in (1, self.size.batches[-1]):
                yield self._canvas(shapes, kv, batch)
        for slots in self.size.canvases:
            if self._late():
                return
            yield self._step(shapes, kv, self.size.usual, 1, slots)
        yield self._row("cache of the longest prompt", max(self.size.contexts), 1,
                        max(self.size.contexts) * kv.nbytes / kv.length / 1e9, "GB")  # fmt: skip
        if device.type == "cuda":
            yield self._row(
                "most memory", 0, 0, torch.cuda.max_memory_allocated(device) / 1e9, "GB"
            )

    def usual_step(self) -> Iterator[Row]:
        """Only the step that transformers' is compared with."""
        kv = self.model.new_kv()
        self.model.encode(self.ids[: self.size.usual], kv)
        yield self._step(StaticShapes(self.model), kv, self.size.usual, 1)

    def transformers(self) -> Iterator[Row]:
        """A step of its compiled generation, on the same weights."""
        if self._late():
            return
        prompt, canvas = self.ids[: self.size.usual], self.size.canvas
        try:
            with time_limit(self.until - time.monotonic()):
                seconds = reference.seconds_a_step(self.model, prompt, canvas, STEPS)
        except OutOfTime:
            yield failed(self.name, "transformers: no time left")
        except Exception as error:  # not installed, or another version than was tried
            yield failed(self.name, f"transformers: {first_line(error)}")
        else:
            row = self._row("transformers: a step", self.size.usual, 1, seconds * 1e3, "ms")
            yield replace(row, slots=canvas)

    def _prefill(self, kv: KV, context: int) -> Row:
        def encode() -> None:
            kv.truncate(0)
            self.model.encode(self.ids[:context], kv)

        seconds = median_seconds(encode, self.model.device, 2)
        limit = context / self._limit(self._prompt_parts(0, context))
        return self._row("prompt encoded", context, 1, context / seconds, "tokens/s", limit)

    def _step(
        self, shapes: StaticShapes, kv: KV, context: int, batch: int, slots: int | None = None
    ) -> Row:
        """One forward and the pass over the vocabulary, everything but accepting."""
        canvas = slots or self.size.canvas
        step = self.once(shapes, kv, batch, canvas)
        value = median_seconds(step, self.model.device, self.repeats) * 1e3
        parts = self.parts(context, batch, canvas)
        each = {part.name: part.seconds(self.rates) * 1e3 for part in parts}
        limit = self._limit(parts) * 1e3
        row = self._row("a step", context, batch, value, "ms", limit)
        return replace(row, parts_ms=each, slots=canvas)

    def _keystroke(self, shapes: StaticShapes, kv: KV, context: int) -> Row:
        slots, before = min(KEY_SLOTS, self.size.canvas), context - KEY_TOKENS
        step = self.once(shapes, kv, 1, slots)
        new = self.ids[context : context + KEY_TOKENS]

        def key() -> None:
            kv.truncate(before)
            self.model.encode(new, kv)
            step()

        value = median_seconds(key, self.model.device, self.repeats) * 1e3
        parts = [*self._prompt_parts(before, KEY_TOKENS), *self.parts(context, 1, slots)]
        limit = self._limit(parts) * 1e3
        row = self._row("a warm key to the first draft", context, 1, value, "ms", limit)
        return replace(row, slots=slots)

    def _canvas(self, shapes: StaticShapes, kv: KV, batch: int) -> Row:
        """The product's own loop, a whole canvas, all positions free, without the stop test."""
        device, spec = self.model.device, self.model.spec
        generator = torch.Generator(device).manual_seed(0)
        canvas = build([], [self.size.canvas], [], [], spec, generator)
        sampling = UniformSampling(spec.vocab_size, stop_entropy=-1.0)

        def loop() -> None:
            for _ in denoise(
                _no_logits, canvas, sampling, generator, variants=batch, max_steps=STEPS,
                predict=lambda ids, rows, signal, asked: shapes.predict(
                    ids, kv, rows, signal, asked
                ),
            ):  # fmt: skip
                pass

        seconds = median_seconds(loop, device, 3)
        step = self._limit(self.parts(self.size.usual, batch, self.size.canvas))
        limit = self.size.canvas * batch / (STEPS * step)
        value = self.size.canvas * batch / seconds
        what = f"a canvas at {STEPS} steps"
        row = self._row(what, self.size.usual, batch, value, "tokens/s", limit)
        return replace(row, slots=self.size.canvas)

    def once(self, shapes: StaticShapes, kv: KV, batch: int, canvas: int) -> Callable[[], object]:
        """What makes one step each time it is called, always the same one."""
        device, vocabulary = self.model.device, self.model.spec.vocab_size
        generator = torch.Generator(device).manual_seed(0)
        ids = torch.randint(vocabulary, (batch, canvas), generator=generator, device=device)
        rows = torch.arange(canvas, device=device).repeat(batch, 1)
        asked = Asked(
            torch.full((1,), 1 / 0.7, device=device),
            torch.zeros(1, vocabulary, device=device),
            torch.zeros_like(rows),
            torch.rand(batch, canvas, generator=generator, device=device),
        )
        signal = shapes.predict(ids, kv, rows, None, asked)[1]
        wait(device)
        return lambda: shapes.predict(ids, kv, rows, signal, asked)

    def parts(self, context: int, batch: int, canvas: int) -> list[Part]:
        """Of a step: what its limit is made of."""
        return step_parts(
            self.size.config, self.form, context=context, batch=batch, canvas=canvas,
            itemsize=self.model.dtype.itemsize,
        )  # fmt: skip

    def _prompt_parts(self, held: int, new: int) -> list[Part]:
        itemsize = self.model.dtype.itemsize
        return prompt_parts(self.size.config, self.form, held=held, new=new, itemsize=itemsize)

    def _limit(self, parts: list[Part]) -> float:
        return limit_seconds(parts, self.rates)

    def _late(self) -> bool:
        return time.monotonic() > self.until

    def _row(
        self, measure: str, context: int, batch: int, value: float, unit: str,
        limit: float | None = None,
    ) -> Row:  # fmt: skip
        return Row(self.name, measure, context, batch, value, unit, limit)


def _no_logits(ids: Tensor, rows: Tensor, signal: Tensor | None) -> Tensor:
    raise AssertionError("this model predicts")
