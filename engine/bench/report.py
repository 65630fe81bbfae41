"""Figures as tables, as a document and as a picture."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from engine.bench.bars import Bar
from engine.bench.figures import Row, as_json

WIDTH = 140
"""Columns of a table that no terminal shows."""


def document(
    facts: dict[str, object], rows: Sequence[Row], bars: Sequence[Bar]
) -> dict[str, object]:
    """All that is known, for a file."""
    summary = {bar.name: asdict(bar) | {"met": bar.met} for bar in bars}
    return {**facts, "bars": summary, "rows": [as_json(row) for row in rows]}


def show(rows: Iterable[Row], bars: Iterable[Bar]) -> None:
    """As tables."""
    names = ("weights", "measure", "context", "batch", "slots", "value", "", "limit", "reached")
    table = Table(box=None, pad_edge=False)
    for column in names:
        left = column in ("weights", "measure", "")
        table.add_column(column, justify="left" if left else "right")
    for row in rows:
        reached = "" if row.reached is None else f"{row.reached:.0%}"
        limit = "" if row.limit is None else number(row.limit)
        sizes = (str(each) if each else "" for each in (row.context, row.batch, row.slots))
        table.add_row(row.form, row.measure, *sizes, number(row.value), row.unit, limit, reached)
    brief = Table(box=None, pad_edge=False)
    for column in ("bar", "value", "", "floor", "aim", "met"):
        brief.add_column(column, justify="right" if column in ("value", "floor", "aim") else "left")
    for bar in bars:
        goals = ("" if each is None else number(each) for each in (bar.floor, bar.aim))
        brief.add_row(bar.name, number(bar.value), bar.unit, *goals, bar.met)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
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
    limited = [row for row in rows if row.reached is not None]
    figure = Figure(figsize=(9, 1.2 + 0.22 * len(limited)), layout="constrained")
    axes = figure.subplots()
    names = [f"{row.form}, {row.measure}, {row.context} × {row.batch}" for row in limited]
    names = [
        f"{name}, {row.slots}" if row.slots else name
        for name, row in zip(names, limited, strict=True)
    ]
    axes.barh(names, [row.reached or 0 for row in limited])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the limit that was reached")
    axes.set_title(f"On {device}: weights, measure, prompt × variants, slots")
    figure.savefig(path, dpi=120)


def line(row: Row) -> str:
    """One figure as it is made."""
    where = f" at {row.context} × {row.batch}" if row.context else ""
    where += f", {row.slots} slots" if row.slots else ""
    limit = "" if row.limit is None else f" (limit {number(row.limit)})"
    return f"{row.form} {row.measure}{where}: {number(row.value)} {row.unit}{limit}".strip()


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
