"""What the kernels' tests found, as a table at the end of a run; and, before any run, what is expected.

Each row is made of a test's `user_properties`, so that it comes home from the process that ran the
test, however that ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

KERNEL, NOTE = "kernel", "note"
"""Properties: a row of the table, and what another test found, in words."""
RESULTS = "INFILL_GPU_RESULTS"
"""Environment: a file that gets the rows, a line of JSON each."""
COLUMNS = ("kernel", "shape", "error", "µs", "launches", "MB", "GFLOP", "limit µs", "expected µs",
           "over limit", "")  # fmt: skip


def lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The table; of what was not measured a dash."""
    cells = [COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    def of(name: str, scale: float = 1.0, form: str = ",.1f") -> str:
        return format(row[name] * scale, form) if row.get(name) is not None else "–"

    seconds, limit = row.get("seconds"), row.get("limit")
    over = f"{seconds / limit:,.1f} ×" if seconds and limit else "–"
    return (
        row["kernel"], row["shape"], of("error", form=".1e"), of("seconds", 1e6),
        of("launches", form=".0f"), of("bytes", 1e-6), of("operations", 1e-9), of("limit", 1e6),
        of("expected", 1e6), over, row.get("outcome", ""),
    )  # fmt: skip


def rows_of(reporter: Any) -> list[dict[str, Any]]:
    """Of all reports of a run; a test that did not pass says so."""
    found: list[dict[str, Any]] = []
    for outcome, report in _reports(reporter):
        row = dict(report.user_properties).get(KERNEL)
        if row is None and outcome != "passed" and "test_a_kernel[" in report.nodeid:
            # Its process died, and said nothing.
            kernel, _, shape = report.nodeid.partition("[")[2].rstrip("]").partition("-")
            row = {"kernel": kernel, "shape": shape}
        if row is not None:
            found.append(row if outcome == "passed" else row | {"outcome": outcome})
    return found


def notes_of(reporter: Any) -> list[str]:
    """What other tests measured."""
    found = [
        (report.nodeid.rpartition("::")[2], dict(report.user_properties).get(NOTE))
        for _, report in _reports(reporter)
    ]
    return [f"{test}: {note}" for test, note in found if note is not None]


def _reports(reporter: Any) -> Iterator[tuple[str, Any]]:
    for outcome in ("passed", "failed", "error"):
        for report in reporter.stats.get(outcome, ()):
            if hasattr(report, "user_properties"):
                yield outcome, report


def show(reporter: Any) -> None:
    """At the end of a run."""
    rows, notes = rows_of(reporter), notes_of(reporter)
    if not rows and not notes:
        return
    reporter.section("kernels")
    for line in [*lines(rows), "", *notes]:
        reporter.write_line(line)
    if path := os.environ.get(RESULTS):
        said = [*rows, *({"note": note} for note in notes)]
        Path(path).write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
