"""`infill-lsp stats`: what became of the suggestions on this machine."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infill_lsp.commands import CommandError
from infill_lsp.usage import Usage, read, usage_file

ALL = "all"


@dataclass(frozen=True, slots=True)
class Row:
    """One language over all days, or all of them."""

    language: str
    shown: int
    accepted: int
    partial: int
    refused: int
    """Shown and not accepted; one that is on the screen now is among them."""
    characters: int
    """Saved: inserted by accepting, so not typed."""
    acceptance: float
    """Accepted, wholly or in part, of those shown; 0 to 1."""
    ms_p50: float | None
    ms_p95: float | None


def run(*, as_json: bool, png: Path | None) -> int:
    """Print a row for each language; 1 when nothing was counted yet."""
    file = usage_file()
    try:
        days = read(file)
    except sqlite3.Error as error:
        raise CommandError(f"cannot read {file}: {error}. Delete it to begin anew.") from error
    if not days:
        print("[]" if as_json else "nothing yet: no suggestion was shown in an editor so far")
        return 1
    rows = by_language(days)
    if png is not None:
        draw(rows, days, png)
    if as_json:
        print(json.dumps([{name: getattr(row, name) for name in Row.__slots__} for row in rows]))
    else:
        show(rows, since=days[0].day)
    return 0


def by_language(days: Sequence[Usage]) -> list[Row]:
    """A row for each language, the most shown first, and one for all when there are several."""
    languages = Counter[str]()
    for day in days:
        languages[day.language] += day.shown
    rows = [
        _row(language, [day for day in days if day.language == language])
        for language, _ in languages.most_common()
    ]
    return [*rows, _row(ALL, days)] if len(rows) > 1 else rows


def percentile(latencies: Counter[float], share: float) -> float | None:
    """The latency that this share of them does not exceed; None when there are none."""
    left = share * latencies.total()
    for ms, count in sorted(latencies.items()):
        left -= count
        if left <= 0:
            return ms
    return None


def show(rows: Sequence[Row], since: str) -> None:
    """As a table."""
    table = Table(
        box=None,
        pad_edge=False,
        collapse_padding=True,
        caption=f"counted on this machine since {since}",
    )
    table.add_column("language", overflow="fold")
    counted = ("shown", "accepted", "in part", "refused", "acceptance")
    for column in (*counted, "characters\nsaved", "ms\np50", "ms\np95"):
        table.add_column(column, justify="right")
    for row in rows:
        counts = (row.shown, row.accepted, row.partial, row.refused)
        table.add_row(
            row.language,
            *(f"{count:,}" for count in counts),
            f"{row.acceptance:.0%}",
            f"{row.characters:,}",
            *("" if ms is None else f"{ms:,.0f}" for ms in (row.ms_p50, row.ms_p95)),
        )
    Console(highlight=False).print(table)


def draw(rows: Sequence[Row], days: Sequence[Usage], png: Path) -> None:
    """As a picture: what became of what was shown, and how long it took."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator
    except ImportError:
        raise CommandError("--png needs matplotlib: pip install matplotlib") from None
    languages = [row for row in rows if row.language != ALL]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    outcome, latency = figure.subplots(1, 2)
    left = [0] * len(languages)
    for name, colour in (("accepted", "#2e7d32"), ("partial", "#a5d6a7"), ("refused", "#bdbdbd")):
        counts = [getattr(row, name) for row in languages]
        outcome.barh([row.language for row in languages], counts, left=left, color=colour)
        left = [sum(both) for both in zip(left, counts, strict=True)]
    outcome.legend(["accepted", "in part", "refused"])
    outcome.invert_yaxis()
    outcome.set_xlabel("suggestions")
    for row in languages:
        latencies = _latencies([day for day in days if day.language == row.language])
        if not latencies:
            continue
        shares, below = [], 0
        for _, count in sorted(latencies.items()):
            below += count
            shares.append(below / latencies.total())
        latency.step(sorted(latencies), shares, where="post", label=row.language)
    latency.set_xscale("log")
    latency.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    latency.xaxis.set_major_formatter("{x:g}")
    latency.minorticks_off()
    latency.set_xlabel("ms from request to answer")
    latency.set_ylabel("share answered by then")
    if latency.lines:
        latency.legend()
    try:
        figure.savefig(png, format="png", dpi=120)
    except OSError as error:
        raise CommandError(f"cannot write {png}: {error.strerror}. Give another file.") from error


def _row(language: str, days: Sequence[Usage]) -> Row:
    shown = sum(day.shown for day in days)
    accepted, partial = sum(day.accepted for day in days), sum(day.partial for day in days)
    latencies = _latencies(days)
    return Row(
        language,
        shown,
        accepted,
        partial,
        shown - accepted - partial,
        sum(day.characters for day in days),
        (accepted + partial) / shown if shown else 0.0,
        percentile(latencies, 0.5),
        percentile(latencies, 0.95),
    )


def _latencies(days: Sequence[Usage]) -> Counter[float]:
    total = Counter[float]()
    for day in days:
        total.update(day.latencies)
    return total
