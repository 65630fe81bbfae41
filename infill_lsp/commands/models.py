"""`infill-lsp models`: the models that are known, which of them are here, and fetching one."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

import engine


def run(*, as_json: bool) -> int:
    """Print one row for each model."""
    known = engine.known_models()
    if as_json:
        rows = [
            {**asdict(model), "path": str(model.path), "available": model.available}
            for model in known
        ]
        print(json.dumps(rows))
        return 0
    table = Table(box=None, pad_edge=False)
    for column in ("name", "what", "parameters", "download", "memory", "licence", "here"):
        table.add_column(column, overflow="fold")
    for model in known:
        table.add_row(
            model.name,
            model.title,
            _count(model.parameters),
            f"{model.download_bytes / 1e6:,.0f} MB",
            f"{model.memory_bytes / 1e6:,.0f} MB",
            model.licence,
            "yes" if model.available else "no",
        )
    Console(highlight=False).print(table)
    return 0


def get(name: str, *, as_json: bool) -> int:
    """Fetch one model; says what it is, how large, and under which licence, before it does.

    as_json: one object a line, {"said"} or {"share", "what"}, for a program that shows it (the server).
    """
    # So that what it has started, pip, ends with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if as_json:
        engine.get_model(
            name,
            lambda line: print(json.dumps({"said": line}), flush=True),
            lambda share, what: print(json.dumps({"share": share, "what": what}), flush=True),
        )
        return 0
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        engine.get_model(
            name,
            lambda line: print(line, flush=True),
            lambda share, what: bar.update(task, completed=share, description=what),
        )
    return 0


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:.0f} M"
