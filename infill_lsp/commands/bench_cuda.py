"""`infill-lsp bench --suite cuda`: DiffusionGemma at its true shape, against the limit of its device.

Random weights, so nothing need be fetched; prompts of the standard library's code. Each figure is
written to a file as soon as it is made, so a run that is ended early has lost none.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from engine.bench import suite
from engine.bench.shapes import SIZES
from engine.bench.suite import Row
from infill_lsp.commands import CommandError
from infill_lsp.commands.bench import standard_library
from infill_lsp.commands.provenance import commit

SECONDS = 480.0
"""No measurement begins after so many: the whole stays under ten minutes."""
LINES = 3000
"""Of code, for the longest prompt."""
PACKAGES = ("infill-lsp", "torch", "triton", "transformers")


def run(*, device: str, shape: str, repeats: int, out: Path, as_json: bool) -> int:
    """Measure and print; figures, document and picture are left in the folder `out`."""
    facts = {
        "command": "infill-lsp bench --suite cuda",
        "commit": commit(),
        "shape": shape,
        **suite.device_facts(device),
        "versions": _versions(),
        "python": platform.python_version(),
        "repeats": repeats,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"Cannot write {out}: {error.strerror}. Choose another --out."
        ) from error
    console = Console(stderr=True, highlight=False)
    rows: list[Row] = []
    began = time.monotonic()
    with (out / "cuda.jsonl").open("w", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")
        for row in suite.run(
            shape, device, standard_library(LINES), repeats=repeats, seconds=SECONDS
        ):
            rows.append(row)
            file.write(json.dumps(suite.as_json(row)) + "\n")
            file.flush()
            console.print(f"[{time.monotonic() - began:4.0f} s] {_line(row)}", markup=False)
    summary = bars(rows, SIZES[shape].near)
    document = {**facts, "bars": summary, "rows": [suite.as_json(row) for row in rows]}
    if not as_json:
        show(rows, summary)
    draw(rows, str(facts["device"]), out / "cuda.png")
    line = json.dumps(document)
    (out / "cuda.json").write_text(line + "\n", encoding="utf-8")
    print(line)
    return 0


def bars(rows: Sequence[Row], near: int) -> dict[str, float]:
    """The few figures that the others are there to explain. near: see `shapes.Size`."""
    found: dict[str, float] = {}
    forms = {row.form for row in rows if row.measure == "a step"}
    for form in sorted(forms):
        own = [row for row in rows if row.form == form]
        canvases = {row.batch: row.value for row in own if row.measure.startswith("a canvas at")}
        if 1 in canvases:
            found[f"{form}: canvas, tokens/s"] = canvases[1]
            most = max(canvases)
            found[f"{form}: {most} variants over one"] = canvases[1] / canvases[most] * most
        steps = [row for row in own if row.measure == "a step"]
        single = [row for row in steps if row.batch == 1]
        usual = [row for row in single if row.context == _usual(own)]
        for row in usual:
            assert row.limit is not None
            found[f"{form}: step over its limit"] = row.value / row.limit
        for row in own:
            if row.measure == "transformers: a step" and usual:
                found[f"{form}: transformers over ours"] = row.value / usual[0].value
        keys = {row.context: row.value for row in own if row.measure.startswith("a warm key")}
        if near in keys:
            far = max(keys)
            found[f"{form}: warm key at {far} over {near}"] = keys[far] / keys[near]
        held = {row.measure: row.value for row in own if row.unit == "GB"}
        with suppress(KeyError):
            found[f"{form}: weights and cache, GB"] = (
                held["weights"] + held["cache of the longest prompt"]
            )
    return found


def show(rows: Iterable[Row], summary: dict[str, float]) -> None:
    """As tables."""
    table = Table(box=None, pad_edge=False)
    for column in ("weights", "measure", "context", "batch", "value", "", "limit", "reached"):
        left = column in ("weights", "measure", "")
        table.add_column(column, justify="left" if left else "right")
    for row in rows:
        reached = "" if row.reached is None else f"{row.reached:.0%}"
        limit = "" if row.limit is None else _number(row.limit)
        context, batch = (str(each) if each else "" for each in (row.context, row.batch))
        table.add_row(
            row.form, row.measure, context, batch, _number(row.value), row.unit, limit, reached
        )
    brief = Table(box=None, pad_edge=False, show_header=False)
    for name, value in summary.items():
        brief.add_row(name, _number(value))
    console = Console(highlight=False)
    console.print(table)
    console.print()
    console.print(brief)


def draw(rows: Iterable[Row], device: str, path: Path) -> None:
    """How much of its limit each figure reaches, as a picture. None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        Console(stderr=True).print("no picture: pip install matplotlib")
        return
    bars = [row for row in rows if row.reached is not None]
    figure = Figure(figsize=(9, 1.2 + 0.22 * len(bars)), layout="constrained")
    axes = figure.subplots()
    names = [f"{row.form}, {row.measure}, {row.context} × {row.batch}" for row in bars]
    axes.barh(names, [row.reached or 0 for row in bars])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the limit that was reached")
    axes.set_title(f"DiffusionGemma on {device}: weights, measure, prompt × variants")
    figure.savefig(path, dpi=120)


def _usual(rows: Iterable[Row]) -> int:
    """The context at which whole canvases were measured; 0: none was."""
    return next((row.context for row in rows if row.measure.startswith("a canvas at")), 0)


def _line(row: Row) -> str:
    where = f" at {row.context} × {row.batch}" if row.context else ""
    limit = "" if row.limit is None else f" (limit {_number(row.limit)})"
    return f"{row.form} {row.measure}{where}: {_number(row.value)} {row.unit}{limit}".strip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
