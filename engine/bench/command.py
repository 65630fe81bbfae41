"""One command's worth of measuring: figures are printed and written as they are made, so a run that
is stopped has lost none."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from engine.bench import report, suite
from engine.bench.bars import bars
from engine.bench.figures import Row
from engine.bench.shapes import SIZES
from engine.bench.source import commit, standard_library
from engine.request import EngineError

SECONDS, SHORT_SECONDS = 480.0, 130.0
"""No measurement begins after so many: the whole stays under ten minutes, or 150 seconds."""
LINES = 3000
"""Of code, for the longest prompt."""
PACKAGES = ("infill-lsp", "torch", "triton", "transformers")
DOCUMENT, PICTURE = "cuda.json", "cuda.png"
"""What is left in the folder of a run."""


def run(
    *,
    device: str,
    shape: str,
    short: bool,
    repeats: int,
    model: str,
    out: Path,
    tables: bool = True,
) -> Path:
    """Measure; document and picture are left in the folder `out`. Returns the document. EngineError
    says what is wrong with the device or that folder.

    model: the small one, by name or folder. tables: printed at the end, on standard output.
    """
    facts: dict[str, object] = {
        "command": "python -m engine.bench" + (" --short" if short else ""),
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
        raise EngineError(f"Cannot write {out}: {error.strerror}. Choose another --out.") from error
    size = SIZES[shape].short() if short else SIZES[shape]
    name = str(facts["device"])
    console = Console(stderr=True, highlight=False)
    rows: list[Row] = []
    began = time.monotonic()
    for row in suite.run(
        size,
        device,
        standard_library(LINES),
        repeats=repeats,
        seconds=SHORT_SECONDS if short else SECONDS,
        model=model,
    ):
        rows.append(row)
        _replace(out / DOCUMENT, report.document(facts, rows, bars(rows, size, name)))
        seconds = time.monotonic() - began
        console.print(f"[{seconds:4.0f} s] {report.line(row)}", markup=False, soft_wrap=True)
    if tables:
        report.show(rows, bars(rows, size, name))
    report.draw(rows, name, out / PICTURE)
    return out / DOCUMENT


def _replace(path: Path, document: dict[str, object]) -> None:
    """Whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document) + "\n", encoding="utf-8")
    new.replace(path)


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
