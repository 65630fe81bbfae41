"""`infill-lsp eval places`: what comes in ordinary places, to look at.

A table for people, then one line of JSON for programs.
"""

from __future__ import annotations

import asyncio
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

import engine
from engine import EngineConfig
from infill_lsp.commands.evaluate import naming_problems
from infill_lsp.commands.provenance import commit, engine_options, eval_command, versions
from infill_lsp.evaluation import fillers, places


@dataclass(frozen=True, slots=True)
class Came:
    """What one place was filled with, on request."""

    place: str
    text: str
    why_nothing: str | None
    forwards: int
    ms: float


def run(data: Path, config: EngineConfig, *, seed: int, as_json: bool) -> int:
    """Fill and print. data: a folder of files with one gap each."""
    with naming_problems():
        cases = places.read(data)
        loaded = engine.load(config)
        try:
            info = loaded.ready.result()
            with asyncio.Runner() as runner:
                fill = fillers.product(loaded, runner, seed=seed)
                fill(fillers.WARM_UP)
                answers = [fill(case) for case in cases]
        finally:
            loaded.close()
    came = [
        Came(case.id, answer.text, answer.silence, answer.forwards, round(answer.ms))
        for case, answer in zip(cases, answers, strict=True)
    ]
    if not as_json:
        Console(highlight=False).print(table(came))
    document = {
        "command": eval_command(
            "places",
            {
                "--data": None if data == places.FOLDER else data,
                **engine_options(config),
                "--seed": seed,
            },
        ),
        "commit": commit(),
        "suite": "places",
        "model": info.model,
        "device": info.device,
        "seed": seed,
        "places": [asdict(each) for each in came],
        "versions": versions("infill-lsp", "torch", "tree-sitter"),
        "python": platform.python_version(),
    }
    print(json.dumps(document))
    return 0


def table(came: Iterable[Came]) -> Table:
    """A row for each place."""
    drawn = Table(box=None, pad_edge=False, show_lines=True)
    for title in ("place", "what came"):
        drawn.add_column(title)
    for title in ("forwards", "ms"):
        drawn.add_column(title, justify="right")
    for each in came:
        text = Text(each.text) if each.text else Text(f"({each.why_nothing})", style="dim")
        drawn.add_row(each.place, text, str(each.forwards), f"{each.ms:.0f}")
    return drawn
