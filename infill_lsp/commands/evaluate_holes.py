"""`infill-lsp eval holes`: several holes of a file, filled together and one after another.

The same model, the same files, both ways; a table for people, then one line of JSON for programs.
"""

from __future__ import annotations

import asyncio
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import engine
from engine import EngineConfig, InfillEngine
from infill_lsp.commands.evaluate import naming_problems, watched
from infill_lsp.commands.provenance import commit, engine_options, eval_command, versions
from infill_lsp.documents import Document
from infill_lsp.edits import applied
from infill_lsp.evaluation import heldout
from infill_lsp.evaluation.holes import HolesCase, Verdict, cases, judge
from infill_lsp.evaluation.scores import interval, mean, quantile, rounded, rounded_interval
from infill_lsp.filling import fill_holes
from infill_lsp.holes import Hole
from infill_lsp.settings import Settings

WAYS = {"together": True, "one after another": False}


@dataclass(frozen=True, slots=True)
class _Result:
    verdict: Verdict
    filled: int
    forwards: int
    ms: float


def run(
    data: Path,
    config: EngineConfig,
    *,
    seed: int = 0,
    limit: int | None = None,
    deadline: int | None = None,
    as_json: bool = False,
) -> int:
    """Evaluate and print. deadline: milliseconds for each canvas."""
    with naming_problems():
        chosen = cases(heldout.read(data), seed=seed, limit=limit)
        judge(chosen[0], chosen[0].text, [None] * len(chosen[0].spans))  # can it be judged?
    loaded = engine.load(config)
    try:
        info = loaded.ready.result()
        with asyncio.Runner() as runner:
            results: dict[str, list[_Result]] = {way: [] for way in WAYS}
            for index, case in enumerate(watched(chosen)):
                # In turn each way is the first, which pays for the prompt that both share.
                for way in (list(WAYS), list(WAYS)[::-1])[index % 2]:
                    fill = _fill(loaded, case, WAYS[way], seed, deadline)
                    results[way].append(runner.run(fill))
    finally:
        loaded.close()
    options = {
        "--data": data,
        "--limit": limit,
        **engine_options(config),
        "--seed": seed,
        "--deadline": deadline,
    }
    document = {
        "command": eval_command("holes", options),
        "commit": commit(),
        "suite": "holes",
        "model": info.model,
        "order": info.order,
        "device": info.device,
        "seed": seed,
        "deadline_ms": deadline,
        "files": len(chosen),
        "holes": sum(len(case.spans) for case in chosen),
        "ways": {way: _summary(chosen, results[way], seed) for way in WAYS},
        "together_minus_one_after_another": _difference(chosen, results, seed),
        "versions": versions("infill-lsp", "torch", "pyflakes"),
        "python": platform.python_version(),
    }
    if not as_json:
        Console(highlight=False).print(_table(document))
    print(json.dumps(document))
    return 0


async def _fill(
    loaded: InfillEngine, case: HolesCase, together: bool, seed: int, deadline: int | None
) -> _Result:
    text, places = case.opened()
    document = Document(f"file:///{case.path}", text, language_id="python", path=case.path)
    holes = [Hole(start, end, "marker") for start, end in places]
    began = time.perf_counter()
    filling = await fill_holes(
        loaded,
        document.snapshot(),
        holes,
        settings=Settings(),
        together=together,
        seed=seed,
        deadline=None if deadline is None else deadline / 1000,
    )
    ms = (time.perf_counter() - began) * 1e3
    fills = {edit.start: edit.text for edit in filling.edits}
    verdict = judge(case, applied(text, filling.edits), [fills.get(hole.start) for hole in holes])
    return _Result(verdict, len(filling.edits), filling.forwards, ms)


def _summary(
    chosen: Sequence[HolesCase], results: Sequence[_Result], seed: int
) -> dict[str, object]:
    holes = sum(len(case.spans) for case in chosen)
    parses = [float(result.verdict.parses) for result in results]
    agree = [float(result.verdict.names_agree) for result in results]
    return {
        "parses": rounded(mean(parses)),
        "parses_interval": _interval(parses, seed),
        "names_agree": rounded(mean(agree)),
        "names_agree_interval": _interval(agree, seed),
        "exact": rounded(mean([result.verdict.exact for result in results])),
        "filled": rounded(sum(result.filled for result in results) / holes),
        "forwards": rounded(mean([result.forwards for result in results]), 2),
        "ms_p50": rounded(quantile([result.ms for result in results], 0.5), 1),
        "ms_p95": rounded(quantile([result.ms for result in results], 0.95), 1),
    }


def _difference(
    chosen: Sequence[HolesCase], results: dict[str, list[_Result]], seed: int
) -> dict[str, object]:
    """File by file, since both ways had the same ones."""
    pairs = list(zip(*(results[way] for way in WAYS), strict=True))
    found: dict[str, object] = {}
    for name in ("parses", "names_agree"):
        gains = [float(getattr(a.verdict, name)) - getattr(b.verdict, name) for a, b in pairs]
        found[name] = rounded(mean(gains))
        found[f"{name}_interval"] = _interval(gains, seed)
    return found


def _interval(values: Sequence[float], seed: int) -> list[float] | None:
    return rounded_interval(interval({str(i): [value] for i, value in enumerate(values)}, seed))


def _table(document: dict[str, Any]) -> Table:
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column(f"{document['files']} files, {document['holes']} holes", no_wrap=True)
    for title in ("filled", "parses", "95 %", "names agree", "95 %", "exact", "forwards", "ms p50"):
        drawn.add_column(title, justify="right", no_wrap=True)
    for way, row in document["ways"].items():
        drawn.add_row(
            way,
            f"{row['filled']:.1%}",
            f"{row['parses']:.1%}",
            "{:.1%}–{:.1%}".format(*row["parses_interval"]),
            f"{row['names_agree']:.1%}",
            "{:.1%}–{:.1%}".format(*row["names_agree_interval"]),
            f"{row['exact']:.1%}",
            f"{row['forwards']:.1f}",
            f"{row['ms_p50']:,.0f}",
        )
    return drawn
