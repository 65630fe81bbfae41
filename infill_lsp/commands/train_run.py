"""`infill-lsp train run`: from a corpus to a model folder, with a bar to watch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engine import EngineConfig
from infill_lsp.commands import CommandError, evaluate
from infill_lsp.settings import Settings

DEADLINE = Settings().invoked_deadline_ms
"""Milliseconds for each gap that is filled at the end: what somebody who asks would wait."""


def run(
    corpus: Path,
    out: Path,
    *,
    minutes: float | None,
    steps: int | None,
    start: str,
    device: str,
    workers: int,
    linears: str,
    changes: Mapping[str, str],
    cases: int,
) -> int:
    """Start or resume, train, export, evaluate on `cases` held-out gaps; says where the model is."""
    if minutes is None and steps is None:
        raise CommandError("say how long to train: --minutes N, or --steps N of the whole run")
    try:
        # torch and matplotlib: only here, and only when somebody trains
        from engine.train import finish
        from engine.train import run as training
        from engine.train.loop import Limit, Report
    except ImportError as error:
        cure = "pip install 'infill-lsp[train]'"
        raise CommandError(f"{error.name} is missing; get it with: {cure}") from error

    limit = Limit(steps=steps, minutes=minutes)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("loading", total=1.0)
        began: list[float] = []

        def show(report: Report) -> None:
            seconds, step = float(str(report["seconds"])), int(str(report["step"]))
            began[:] = began or [seconds]
            text = f"step {step}"
            if "loss" in report:
                text += f", loss {report['loss']:.3f}, {report['tokens_per_second']:,.0f} tokens/s"
            progress.update(task, description=text, completed=limit.done(step, seconds - began[0]))
            if "dev" in report:
                console.print(f"step {step}: held out {report['dev']}")

        recipe = training.recipe_of(changes) if changes else None
        folder = training.train(
            corpus,
            out,
            limit,
            start=start,
            device=device,
            recipe=recipe,
            workers=workers,
            linears="int8" if linears == "int8" else "q4",
            on_report=show,
        )
    if folder is None:  # another process finishes what this one took part in
        return 0
    if cases:
        config = EngineConfig(model=str(folder), device=device)
        suite = evaluate.Suite(evaluate.HELDOUT, corpus, limit=cases)
        with evaluate.naming_problems():
            outcomes, scores = evaluate.measure(suite, config, deadline=DEADLINE)
        evaluate.show(outcomes)
        (out / finish.SCORES).write_text(json.dumps(scores) + "\n", "utf-8")
        finish.describe(out, corpus, began=training.began_as(start), device=scores["device"])
    print(f"{folder}\nTry it: infill-lsp fill FILE:LINE:COL --model {folder}")
    return 0
