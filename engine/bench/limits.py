"""What a device can do at best: its own rates, measured; and the time that the bytes and
operations of a step, or of a prompt, take at these rates.

Parts follow one another, so each takes its bytes or its operations, whichever is longer,
and the limit is their sum. A part reads what it needs once and keeps all else on the chip; launches,
norms and routing cost nothing. No program gets there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.models.diffusion_gemma import DiffusionGemmaConfig
from engine.models.forms import BITS, Form
from engine.models.gemma_layers import AttentionShape


@dataclass(frozen=True, slots=True)
class Rates:
    """Of one device."""

    bytes: float
    """A second, read and written, by a copy within its memory."""
    operations: float
    """A second, in a large product of numbers as activations are."""


@dataclass(frozen=True, slots=True)
class Part:
    """Of a step, or of encoding."""

    name: str
    bytes: float
    operations: float

    def seconds(self, rates: Rates) -> float:
        return max(self.bytes / rates.bytes, self.operations / rates.operations)


def measure_rates(device: torch.device, dtype: torch.dtype) -> Rates:
    """On a CPU with little, since it is only to show that all works."""
    large = device.type == "cuda"
    block = torch.empty(2**30 if large else 2**24, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(block)
    seconds = median_seconds(lambda: target.copy_(block), device, 20)
    width = 8192 if large else 256
    left, right = (torch.randn(width, width, device=device).to(dtype) for _ in range(2))
    product = median_seconds(lambda: left @ right, device, 20)
    return Rates(2 * block.nbytes / seconds, 2 * width**3 / product)


def step_parts(
    config: DiffusionGemmaConfig, form: Form | None, *, context: int, batch: int, canvas: int,
    itemsize: int = 2,
) -> list[Part]:  # fmt: skip
    """One step with all positions free. itemsize: bytes of an activation, and of a plain number."""
    rows = batch * canvas

    def seen(shape: AttentionShape) -> tuple[int, int]:
        prompt = context if shape.window is None else min(context, shape.window - 1)
        return prompt + rows, rows * (prompt + canvas)

    dense = len(config.kinds) + 1  # one more is self-conditioning's
    table = config.spec.vocab_size * config.width
    table_bytes = table * (itemsize if form is None else 1)  # int4 keeps the table in 8 bits
    return [
        *_stack(config, form, rows, seen, dense, itemsize),
        Part("logits", table_bytes, 2 * rows * table),
        Part("self-conditioning", table_bytes, 2 * rows * table),
    ]


def prompt_parts(
    config: DiffusionGemmaConfig, form: Form | None, *, held: int, new: int, itemsize: int = 2
) -> list[Part]:
    """`new` tokens of prompt encoded behind `held`, in one pass."""

    def seen(shape: AttentionShape) -> tuple[int, int]:
        window = held + new if shape.window is None else shape.window
        read = min(held, window - 1) + new
        return read, sum(min(window, held + index + 1) for index in range(new))

    return _stack(config, form, new, seen, len(config.kinds), itemsize)


def _stack(
    config: DiffusionGemmaConfig, form: Form | None, rows: int,
    seen: Callable[[AttentionShape], tuple[int, int]], dense: int, itemsize: int,
) -> list[Part]:  # fmt: skip
    """All layers. seen: for a kind of layer the keys that are read, and pairs of a row with a key.
    dense: dense feed-forwards."""
    per_number = itemsize if form is None else BITS[form] / 8
    width, layers = config.width, len(config.kinds)
    projections = attention_bytes = attention_operations = 0
    for shape in config.shapes:
        made = config.heads + shape.kv_heads * (1 if shape.keys_are_values else 2)
        projections += (made + config.heads) * shape.head_dim * width
        keys, pairs = seen(shape)
        attention_bytes += 2 * shape.kv_heads * shape.head_dim * itemsize * keys
        attention_operations += 4 * pairs * config.heads * shape.head_dim
    fed, expert = 3 * width * config.inner * dense, 3 * width * config.expert_inner
    touched = config.experts * (1 - (1 - config.experts_chosen / config.experts) ** rows)
    return [
        Part("projections", projections * per_number, 2 * rows * projections),
        Part("attention", attention_bytes, attention_operations),
        Part("dense", fed * per_number, 2 * rows * fed),
        Part(
            "experts",
            layers * touched * expert * per_number,
            2 * rows * config.experts_chosen * layers * expert,
        ),
    ]


def limit_seconds(parts: list[Part], rates: Rates) -> float:
    """Of all parts."""
    return sum(part.seconds(rates) for part in parts)


def median_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Of `repeats` runs, each waited for; after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - began)
    return sorted(times[1:])[repeats // 2]


def wait(device: torch.device) -> None:
    """Until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
