"""The measurements, one after another; each is yielded as soon as it is made.

Weights are random, so nothing that is said means anything and no step stops early: steps are fixed.
What goes in is real code, because routing and attention of random tokens are unlike it.
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from engine.bench import reference
from engine.bench.limits import (
    Part,
    Rates,
    limit_seconds,
    measure_rates,
    median_seconds,
    prompt_parts,
    step_parts,
    wait,
)
from engine.bench.random_weights import random_model
from engine.bench.shapes import SIZES, Size
from engine.canvas import build
from engine.denoise import denoise
from engine.models.base import KV, Asked
from engine.models.catalog import BUNDLED
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.forms import Form
from engine.models.loading import find_device
from engine.request import EngineError
from engine.sampler import UniformSampling
from engine.static_shapes import StaticShapes
from engine.tokenizer import Tokenizer

FORMS: tuple[Form | None, ...] = ("int4", "fp8", None)
"""The last stays, for transformers to run on its weights."""
STEPS = 16
"""Of a canvas, as vLLM reports."""
KEY_TOKENS, KEY_SLOTS = 2, 32
"""A warm keystroke: so many new tokens of prompt, then one step over so many slots."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    form: str
    measure: str
    context: int
    batch: int
    value: float
    unit: str
    limit: float | None = None
    """What bytes and operations allow, in the same unit. None: none was computed."""
    parts_ms: dict[str, float] | None = None
    """Of the limit, by part of a step."""

    @property
    def reached(self) -> float | None:
        """Share of the limit that was reached, 0 to 1."""
        if self.limit is None:
            return None
        less_is_more = self.unit == "ms"
        return self.limit / self.value if less_is_more else self.value / self.limit


def run(
    size_name: str, device_name: str, code: str, *, repeats: int, seconds: float
) -> Iterator[Row]:
    """code: real source text for the prompts. seconds: no measurement begins after so many.

    A stage that fails says so in a row whose unit is `failed`, and the others go on.
    """
    size, device = SIZES[size_name], find_device(device_name)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    until = time.monotonic() + seconds
    ids = prompt_ids(size, code).to(device)
    rates = measure_rates(device, dtype)
    yield Row("", "copy within memory", 0, 0, rates.bytes / 1e9, "GB/s")
    yield Row("", "large product", 0, 0, rates.operations / 1e12, "TFLOP/s")
    for form in FORMS:
        name = form or str(dtype).removeprefix("torch.")
        if time.monotonic() > until:
            yield Row(name, "left out: no time left", 0, 0, 0, "failed")
            continue
        try:
            model = random_model(size.config, form, device, dtype)
            subject = Subject(model, form, name, size, ids, rates, repeats, until)
            yield from subject.rows()
            if form is None:
                yield from subject.transformers()
            del model, subject
        except torch.OutOfMemoryError:
            yield Row(name, "left out: out of memory", 0, 0, 0, "failed")
        except Exception as error:  # a kernel that fails in one form says nothing of the others
            yield Row(name, f"left out: {_first_line(error)}", 0, 0, 0, "failed")
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def device_facts(device_name: str) -> dict[str, str | int]:
    """What must stand beside every figure. EngineError where there is no such device."""
    device = find_device(device_name)
    if device.type != "cuda":
        return {"device": platform.processor() or platform.machine(), "memory": 0}
    properties = torch.cuda.get_device_properties(device)
    return {
        "device": properties.name,
        "memory": properties.total_memory,
        "multiprocessors": properties.multi_processor_count,
        "cuda": torch.version.cuda or "",
    }


def prompt_ids(size: Size, code: str) -> Tensor:
    """Enough ids of real code, by the bundled tokenizer, whose vocabulary is the smaller one."""
    ids = Tokenizer(BUNDLED / "tokenizer.json").encode(code)
    longest = max(size.contexts) + KEY_TOKENS
    if len(ids) < longest:
        raise EngineError(f"{len(ids)} tokens of code are too few for a prompt of {longest}.")
    return torch.tensor(ids[:longest]) % size.config.spec.vocab_size


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
        yield self._row("cache of the longest prompt", max(self.size.contexts), 1,
                        max(self.size.contexts) * kv.nbytes / kv.length / 1e9, "GB")  # fmt: skip
        if device.type == "cuda":
            yield self._row(
                "most memory", 0, 0, torch.cuda.max_memory_allocated(device) / 1e9, "GB"
            )

    def transformers(self) -> Iterator[Row]:
        """Its compiled generation, on the same weights."""
        if self._late():
            return
        context = self.size.usual
        try:
            seconds = reference.seconds_a_step(
                self.model, self.ids[:context], self.size.canvas, STEPS
            )
        except Exception as error:  # not installed, or another version than was tried
            yield self._row(f"transformers: {_first_line(error)}", context, 1, 0, "failed")
            return
        yield self._row("transformers: a step", context, 1, seconds * 1e3, "ms")

    def _prefill(self, kv: KV, context: int) -> Row:
        def encode() -> None:
            kv.truncate(0)
            self.model.encode(self.ids[:context], kv)

        seconds = median_seconds(encode, self.model.device, 2)
        limit = context / self._limit(self._prompt_parts(0, context))
        return self._row("prompt encoded", context, 1, context / seconds, "tokens/s", limit)

    def _step(self, shapes: StaticShapes, kv: KV, context: int, batch: int) -> Row:
        """One forward and the pass over the vocabulary, everything but accepting."""
        canvas = self.size.canvas
        step = self._once(shapes, kv, batch, canvas)
        value = median_seconds(step, self.model.device, self.repeats) * 1e3
        parts = self._step_parts(context, batch, canvas)
        each = {part.name: part.seconds(self.rates) * 1e3 for part in parts}
        limit = self._limit(parts) * 1e3
        return replace(self._row("a step", context, batch, value, "ms", limit), parts_ms=each)

    def _keystroke(self, shapes: StaticShapes, kv: KV, context: int) -> Row:
        slots, before = min(KEY_SLOTS, self.size.canvas), context - KEY_TOKENS
        step = self._once(shapes, kv, 1, slots)
        new = self.ids[context : context + KEY_TOKENS]

        def key() -> None:
            kv.truncate(before)
            self.model.encode(new, kv)
            step()

        value = median_seconds(key, self.model.device, self.repeats) * 1e3
        parts = [*self._prompt_parts(before, KEY_TOKENS), *self._step_parts(context, 1, slots)]
        limit = self._limit(parts) * 1e3
        return self._row("a warm key to the first draft", context, 1, value, "ms", limit)

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
        step = self._limit(self._step_parts(self.size.usual, batch, self.size.canvas))
        limit = self.size.canvas * batch / (STEPS * step)
        value = self.size.canvas * batch / seconds
        what = f"a canvas at {STEPS} steps"
        return self._row(what, self.size.usual, batch, value, "tokens/s", limit)

    def _once(self, shapes: StaticShapes, kv: KV, batch: int, canvas: int) -> Callable[[], object]:
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

    def _step_parts(self, context: int, batch: int, canvas: int) -> list[Part]:
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


def as_json(row: Row) -> dict[str, object]:
    """For a file of lines."""
    return asdict(row) | {"reached": row.reached}


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _no_logits(ids: Tensor, rows: Tensor, signal: Tensor | None) -> Tensor:
    raise AssertionError("this model predicts")
