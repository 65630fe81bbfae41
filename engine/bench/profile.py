"""`python -m engine.bench.profile`: where the time of one step goes, kernel by kernel, by torch's own
profiler. What the kernels do not fill of the step is waiting between launches."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from engine.bench.gemma import Subject
from engine.bench.limits import limit_seconds, measure_rates, median_seconds, wait
from engine.bench.random_weights import random_model
from engine.bench.report import WIDTH, number
from engine.bench.shapes import SIZES
from engine.bench.source import standard_library
from engine.bench.suite import prompt_ids
from engine.models.forms import BITS, Form
from engine.models.loading import find_device
from engine.request import EngineError
from engine.static_shapes import StaticShapes

STEPS = 5
LINES = 3000
"""Of code, for the prompt."""
SHOWN = 20
"""Kernels with a line of their own."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of a step."""

    kernel: str
    launches: float
    ms: float


def shares(subject: Subject, batch: int, slots: int) -> tuple[float, float, list[Share]]:
    """Milliseconds of a step, and of its limit; and its kernels, the longest first."""
    kv, context = subject.model.new_kv(), subject.size.usual
    subject.model.encode(subject.ids[:context], kv)
    step = subject.once(StaticShapes(subject.model), kv, batch, slots)
    device = subject.model.device
    seconds = median_seconds(step, device, STEPS)
    on_card = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_card else ProfilerActivity.CPU]) as made:
        for _ in range(STEPS):
            step()
        wait(device)

    def microseconds(event: FunctionEventAvg) -> float:
        return event.self_device_time_total if on_card else event.self_cpu_time_total

    found = [
        Share(event.key, event.count / STEPS, microseconds(event) / STEPS / 1e3)
        for event in made.key_averages()
        if microseconds(event) > 0
    ]
    limit = limit_seconds(subject.parts(context, batch, slots), subject.rates)
    return seconds * 1e3, limit * 1e3, sorted(found, key=lambda share: -share.ms)


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 3 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench.profile", description=__doc__)
    parser.add_argument("--form", choices=(*BITS, "none"), default="fp8", help="of the weights")
    parser.add_argument("--shape", choices=tuple(SIZES), default="real", help="of the model")
    parser.add_argument("--device", default="cuda", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--batch", type=int, default=1, help="variants")
    parser.add_argument("--slots", type=int, help="of one variant's canvas (all of it)")
    options = parser.parse_args(arguments)
    try:
        device = find_device(options.device)
    except EngineError as error:
        print(f"engine.bench.profile: {error}", file=sys.stderr)
        return 3
    size = SIZES[options.shape]
    form: Form | None = None if options.form == "none" else options.form
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    subject = Subject(
        random_model(size.config, form, device, dtype),
        form,
        options.form,
        size,
        prompt_ids(size, standard_library(LINES)).to(device),
        measure_rates(device, dtype),
        STEPS,
        time.monotonic() + 600,
    )
    step, limit, found = shares(subject, options.batch, options.slots or size.canvas)
    show(step, limit, found)
    return 0


def show(step: float, limit: float, found: list[Share]) -> None:
    """As a table."""
    table = Table(box=None, pad_edge=False)
    for column in ("kernel", "launches", "ms", "of the step"):
        table.add_column(column, justify="left" if column == "kernel" else "right")
    filled = sum(share.ms for share in found)
    others = found[SHOWN:]
    rows = [
        *found[:SHOWN],
        Share("all others", sum(each.launches for each in others), sum(each.ms for each in others)),
        Share("between them", 0, step - filled),
    ]
    for share in rows:
        of = f"{share.ms / step:.0%}"
        table.add_row(share.kernel[:80], number(share.launches), number(share.ms), of)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(table)
    console.print(f"a step: {number(step)} ms, its limit {number(limit)} ms")


if __name__ == "__main__":
    sys.exit(main())
