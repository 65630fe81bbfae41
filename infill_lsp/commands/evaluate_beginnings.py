"""`infill-lsp eval beginnings`: how often what a fill begins with is right, language by language.

A table for people, then one line of JSON for programs.
"""

from __future__ import annotations

import json
import platform
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infill_lsp.commands.evaluate import naming_problems
from infill_lsp.commands.provenance import commit, eval_command, versions
from infill_lsp.evaluation import heldout
from infill_lsp.evaluation.beginnings import Looked, look

Row = dict[str, str | int]


def run(data: Path, *, seed: int, as_json: bool) -> int:
    """Count and print. data: a corpus with held-out files."""
    with naming_problems():
        rows = counted(look(heldout.read(data), seed))
    if not as_json:
        Console(highlight=False).print(table(rows))
    document = {
        "command": eval_command("beginnings", {"--data": data, "--seed": seed}),
        "commit": commit(),
        "suite": "beginnings",
        "rows": rows,
        "versions": versions("infill-lsp", "tree-sitter"),
        "python": platform.python_version(),
    }
    print(json.dumps(document))
    return 0


def counted(places: Iterable[Looked]) -> list[Row]:
    """A row for each language."""
    by_language: dict[str, list[Looked]] = defaultdict(list)
    for each in places:
        by_language[each.language].append(each)
    return [
        {
            "language": language,
            "statements": len(found),
            "mistaken": sum(each.mistaken for each in found),
            "missing": sum(each.missing for each in found),
            "right": sum(each.right for each in found),
        }
        for language, found in sorted(by_language.items())
    ]


def table(rows: Iterable[Row]) -> Table:
    """What `counted` says."""
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("language")
    for title in ("statements", "mistaken", "missing", "right"):
        drawn.add_column(title, justify="right")
    for row in rows:
        drawn.add_row(*map(str, row.values()))
    return drawn
