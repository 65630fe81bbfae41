"""One training run from the command line, with a bar to watch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engine.request import EngineError
from engine.train.export import Form
from engine.train.loop import Limit, Report
from engine.train.run import recipe_of, train


def run(
    corpus: Path,
    out: Path,
    *,
    minutes: float | None,
    steps: int | None,
    every: float,
    start: str,
    device: str,
    workers: int,
    linears: Form,
    changes: Mapping[str, str],
) -> Path | None:
    """Start or resume, train and export; see `train`. EngineError says what is wrong.

    changes: of the recipe, by name. A run without minutes or steps would not end: EngineError.
    """
    if minutes is None and steps is None:
        raise EngineError("Say how long to train: --minutes N, or --steps N of the whole run.")
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

        return train(
            corpus,
            out,
            limit,
            start=start,
            device=device,
            recipe=recipe_of(changes) if changes else None,
            workers=workers,
            every=every,
            linears=linears,
            on_report=show,
        )
