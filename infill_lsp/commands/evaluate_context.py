"""`infill-lsp eval context`: what other files are worth, source by source, to one model.

The same rests of lines, each read by the model after prompts that differ only in their pieces of
other files. A table for people, then one line of JSON for programs.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from engine import EngineConfig
from engine.train.surprise import Reader
from infill_lsp.commands.evaluate import naming_problems
from infill_lsp.commands.provenance import commit, eval_command, versions
from infill_lsp.evaluation import heldout
from infill_lsp.evaluation.context_worth import CONDITIONS, Gap, Reading, drawn, reading, summary

ROOM = 1024
"""Tokens of each prompt: what a CPU encodes in a few seconds."""
GAPS = 60
"""Where no limit is given: minutes on a CPU."""

T = TypeVar("T")


def run(
    data: Path, config: EngineConfig, *, limit: int | None, seed: int, as_json: bool
) -> int:  # fmt: skip
    """Measure and print. data: a corpus with held-out files."""
    limit = limit or GAPS
    # The weights as they are, so that what is measured is the context and not how they are packed.
    reader = Reader(replace(config, quantization="none"))
    with naming_problems():
        gaps = drawn(heldout.read(data), seed=seed, limit=limit)
        readings = [(gap.package, read(reader, gap)) for gap in _shown(gaps)]
    rows = summary(readings, seed)
    if not as_json:
        Console(highlight=False).print(table(rows))
    options = {"--data": data, "--limit": limit, "--model": config.model, "--seed": seed}
    document = {
        "command": eval_command("context", options),
        "commit": commit(),
        "suite": "context",
        "model": reader.info.model,
        "device": reader.info.device,
        "room_tokens": ROOM,
        "packages": len({package for package, _ in readings}),
        "rows": rows,
        "versions": versions("infill-lsp", "torch", "tree-sitter"),
        "python": platform.python_version(),
    }
    print(json.dumps(document))
    return 0


def read(reader: Reader, gap: Gap) -> dict[str, Reading]:
    """What the model makes of a gap under each condition; the same prompt is read once."""
    known: dict[object, Reading] = {}
    for condition in CONDITIONS:
        request = gap.requests[condition]
        if request.snippets not in known:
            tokens = reader.read(request, gap.text, ROOM)
            said = [(each.text, each.nats, each.expected) for each in tokens]
            known[request.snippets] = reading(said, gap.names)
    return {condition: known[gap.requests[condition].snippets] for condition in CONDITIONS}


def table(rows: list[dict[str, object]]) -> Table:
    """A row for each condition; changes are against the file alone, less is better."""
    drawn_table = Table(box=None, pad_edge=False)
    drawn_table.add_column("prompt")
    for title in ("gaps", "loss", "change", "95 %", "names", "95 %", "exact", "95 %"):
        drawn_table.add_column(title, justify="right")
    for row in rows:
        drawn_table.add_row(
            str(row["condition"]),
            str(row["gaps"]),
            f"{row['loss']:.3f}",
            *(
                cell
                for name in ("loss", "names")
                for cell in (_percent(row[f"{name}_change"]), _percent(row[f"{name}_interval"]))
            ),
            f"{row['exact']:.1%}",
            _percent(row["exact_interval"]),
        )
    return drawn_table


def _percent(value: object) -> str:
    if isinstance(value, tuple):
        return f"{value[0]:.1%} to {value[1]:.1%}"
    return f"{value:+.1%}" if isinstance(value, float) else ""


def _shown(items: Sequence[T]) -> Iterator[T]:
    """The items, with a bar on standard error where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("gaps"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(items))
        for item in items:
            yield item
            progress.advance(bar)
