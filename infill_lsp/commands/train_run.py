"""`infill-lsp train run`: from a corpus to a model folder, and how well that fills held-out gaps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

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
    every: float,
    start: str,
    device: str,
    workers: int,
    linears: str,
    changes: Mapping[str, str],
    cases: int,
) -> int:
    """Start or resume, train, export, evaluate on `cases` held-out gaps; says where the model is."""
    try:
        # torch: only here, and only when somebody trains
        from engine.train import command, finish
        from engine.train import run as training
    except ImportError as error:
        cure = "pip install 'infill-lsp[train]'"
        raise CommandError(f"{error.name} is missing; get it with: {cure}") from error

    folder = command.run(
        corpus,
        out,
        minutes=minutes,
        steps=steps,
        every=every,
        start=start,
        device=device,
        workers=workers,
        linears="int8" if linears == "int8" else "q4",
        changes=changes,
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
