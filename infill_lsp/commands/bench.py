"""`infill-lsp bench`: what a user of this machine will feel, measured on the product's own path.

Every figure is a median over repeats; the code is the standard library's own, so anyone can run it
again. A table for people, then one line of JSON for programs.
"""

from __future__ import annotations

import asyncio
import json
import platform
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import psutil
from rich.console import Console
from rich.table import Table

import engine
from engine import Cancelled, Draft, EngineConfig, InfillEngine, InfillRequest
from engine.bench.source import standard_library
from infill_lsp.commands import bench_project, bench_server
from infill_lsp.commands.provenance import commit, versions
from infill_lsp.completion import fill
from infill_lsp.documents import Change, Document
from infill_lsp.outcome import Filled
from infill_lsp.settings import Settings

LINES = 20_000
LONG_PROMPT_CHARS = 14_000
"""About 4,000 tokens of Python."""
KEYS = "\n# a b, c(d)"
"""Typed key by key at the end of the long prompt."""
TYPED = "result = self.compute(value"
"""Typed key by key in the middle of the long file."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure."""

    name: str
    value: float
    unit: str
    bar: str = ""
    """What it is meant to be."""


def run(config: EngineConfig, *, repeats: int, as_json: bool) -> int:
    """Measure and print. With `--json` the line of JSON alone."""
    source = standard_library(LINES)
    loaded = engine.load(config)
    try:
        info = loaded.ready.result()
        with asyncio.Runner() as runner:
            measures = [
                Measure("model loaded", info.load_seconds * 1e3, "ms"),
                *typing(runner, loaded, source, repeats),
                *keystroke(loaded, source, repeats),
                *cancellation(loaded, source, repeats),
                *filling(runner, loaded, source, repeats),
            ]
    finally:
        loaded.close()
    measures += [Measure(*row) for row in bench_server.measure(config, source, repeats)]
    measures += [Measure(*row) for row in bench_project.measure(config)]
    if not as_json:
        show(measures)
    document = {
        "command": "infill-lsp bench",
        "commit": commit(),
        "model": info.model,
        "device": info.device,
        "dtype": info.dtype,
        "repeats": repeats,
        "versions": versions("infill-lsp", "torch", "pygls"),
        "python": platform.python_version(),
        "processor": _processor(),
        "measures": {each.name: [round(each.value, 3), each.unit] for each in measures},
    }
    print(json.dumps(document))
    return 0


def typing(
    runner: asyncio.Runner, loaded: InfillEngine, source: str, repeats: int
) -> Iterator[Measure]:
    """Keys typed in the middle of a long file, each followed by a request."""
    document = Document("file:///bench.py", source, language_id="python")
    line = source.count("\n") // 2
    document.apply([Change("    \n", ((line, 0), (line, 0)))], 1)
    column = 4
    change, context, prompt, post, rest, sampling = [], [], [], [], [], []
    keys = (TYPED * (1 + repeats // len(TYPED)))[: max(repeats, 3) + 1]
    for version, key in enumerate(keys, 2):
        began = time.perf_counter()
        document.apply([Change(key, ((line, column), (line, column)))], version)
        changed = time.perf_counter()
        column += 1
        filled, total = _fill(runner, loaded, document, line, column)
        if version == 2:
            continue  # cold: caches of tokens and trees are filled once a file
        assert filled.draft is not None
        ms = filled.draft.stats.ms
        change.append((changed - began) * 1e3)
        context.append(filled.ms["context"])
        prompt.append(ms["prompt"])
        post.append(filled.ms["postprocess"])
        model = ms["encode"] + ms["denoise"] + ms.get("weigh", 0.0)
        rest.append(change[-1] + total - model)
        sampling.append((ms["denoise"] - ms["forward"]) / filled.draft.stats.steps)
    yield Measure(f"everything but the model, {LINES} lines", _median(rest), "ms", "≤ 5")
    yield Measure("  of it: document change", _median(change), "ms")
    yield Measure("  of it: context", _median(context), "ms")
    yield Measure("  of it: prompt", _median(prompt), "ms")
    yield Measure("  of it: post-processing", _median(post), "ms")
    yield Measure("sampling and reading out, a step", _median(sampling), "ms")


def keystroke(loaded: InfillEngine, source: str, repeats: int) -> Iterator[Measure]:
    """A key at the end of a 4,000-token prompt, against the same prompt cold."""
    cold, warm, fresh, tokens = [], [], [], 0
    for repeat in range(max(3, repeats // 3)):
        begin = repeat * LONG_PROMPT_CHARS
        prefix = source[begin : begin + LONG_PROMPT_CHARS]
        request = InfillRequest(prefix, max_tokens=1)
        stats = loaded.submit(request).result.result().stats
        cold.append(stats.ms["encode"])
        tokens = stats.prompt_tokens
        for end in range(1, len(KEYS) + 1):
            typed = replace(request, prefix=prefix + KEYS[:end])
            stats = loaded.submit(typed).result.result().stats
            warm.append(stats.ms["encode"])
            fresh.append(stats.prompt_tokens - stats.reused_tokens)
    yield Measure("prompt encoded cold", _median(cold), "ms", f"{tokens} tokens")
    yield Measure("prompt encoded cold", tokens / _median(cold) * 1e3, "tokens/s")
    yield Measure("  after a key: tokens encoded", max(fresh), "at most", "only new ones")
    yield Measure("  after a key: encoded", _median(warm), "ms")
    yield Measure("  cold over warm", _median(cold) / max(_median(warm), 1e-3), "×", "≥ 10")


def cancellation(loaded: InfillEngine, source: str, repeats: int) -> Iterator[Measure]:
    """From `cancel` in the middle of a fill to the answer, and to a device that is free again."""
    answered, freed, forward = [], [], []
    request = InfillRequest(source[:4000], max_tokens=200)
    for _ in range(repeats):
        steps: list[float] = []

        def note(draft: Draft, steps: list[float] = steps) -> None:
            steps.append(time.perf_counter())

        job = loaded.submit(request, note)
        while len(steps) < 3:
            time.sleep(0.001)
        began = time.perf_counter()
        job.cancel()
        try:
            job.result.result()
        except Cancelled:
            answered.append((time.perf_counter() - began) * 1e3)
        after = loaded.submit(replace(request, max_tokens=1)).result.result()
        freed.append(after.stats.ms["queue"])
        forward.append((steps[2] - steps[1]) * 1e3)
    yield Measure("cancellation answered", _median(answered), "ms", "≤ 50 and a forward")
    yield Measure("  device free again", _median(freed), "ms")
    yield Measure("  one step of that fill", _median(forward), "ms")


def filling(
    runner: asyncio.Runner, loaded: InfillEngine, source: str, repeats: int
) -> Iterator[Measure]:
    """The rest of a line, warm: what stands between a pause in typing and the grey text."""
    total, per_forward = [], []
    document = Document("file:///bench.py", source[:3000], language_id="python")
    lines = document.text.split("\n")
    places = [number for number, line in enumerate(lines) if " = " in line or "return " in line]
    for number in (places * repeats)[: max(3, repeats)]:
        column = max(lines[number].find(" = ") + 3, lines[number].find("return ") + 7)
        filled, ms = _fill(
            runner, loaded, document, number, column, end=(number, len(lines[number]))
        )
        filled, ms = _fill(
            runner, loaded, document, number, column, end=(number, len(lines[number]))
        )
        draft = filled.draft
        assert draft is not None
        total.append(ms)
        per_forward.append(draft.stats.ms["forward"] / draft.stats.forwards)
    yield Measure("rest of a line, warm", _median(total), "ms")
    yield Measure("  of it: one forward", _median(per_forward), "ms")


def show(measures: list[Measure]) -> None:
    table = Table(box=None, pad_edge=False)
    for column, justify in (
        ("measure", "left"),
        ("median", "right"),
        ("", "left"),
        ("bar", "left"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for each in measures:
        digits = 0 if each.value >= 100 else 2
        table.add_row(each.name, f"{each.value:,.{digits}f}", each.unit, each.bar)
    Console(highlight=False).print(table)


def _fill(
    runner: asyncio.Runner,
    loaded: InfillEngine,
    document: Document,
    line: int,
    column: int,
    end: tuple[int, int] | None = None,
) -> tuple[Filled, float]:
    """One request as the server makes it while somebody types; milliseconds in all, snapshot
    included."""
    began = time.perf_counter()
    snapshot = document.snapshot()
    start = snapshot.offset_at(line, column)
    stop = snapshot.offset_at(*end) if end else None
    filled = runner.run(fill(loaded, snapshot, start, stop, settings=Settings(), automatic=True))
    return filled, (time.perf_counter() - began) * 1e3


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _processor() -> str:
    cores = psutil.cpu_count()
    return f"{platform.processor() or platform.machine()}, {cores} cores"
