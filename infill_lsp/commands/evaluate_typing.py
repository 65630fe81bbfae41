"""`infill-lsp eval typing`: whole files typed key by key, and what suggestions do for the typist.

A table for people, then one line of JSON for programs.
"""

from __future__ import annotations

import asyncio
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import engine
from engine import EngineConfig, InfillEngine
from infill_lsp.commands.evaluate import naming_problems, watched
from infill_lsp.commands.provenance import commit, engine_options, eval_command, versions
from infill_lsp.completer import Completer
from infill_lsp.evaluation.keystrokes import Request, Source, Trace, sources, type_file
from infill_lsp.evaluation.scores import quantile, ratio, ratio_interval, rounded, rounded_interval
from infill_lsp.settings import Settings

FILES = 20
"""Where no limit is given."""
SHARES: dict[str, Callable[[Trace], tuple[float, float]]] = {
    "saved": lambda trace: (trace.counted("characters"), len(trace.source.text)),
    "without_forward": lambda trace: (_quiet(trace), len(trace.requests)),
    "shown_without_forward": lambda trace: (
        sum(each.shown and not each.forwards for each in trace.requests),
        sum(each.shown for each in trace.requests),
    ),
    "accepted": lambda trace: (trace.counted("accepted"), trace.counted("shown")),
    "accepted_in_part": lambda trace: (trace.counted("partial"), trace.counted("shown")),
    "flicker": lambda trace: (trace.flickers, trace.keys),
}
"""Of each file: how many, and of how many. `saved`: characters that came by acceptance, of all that the
file has. `without_forward`: requests for which the model did not run; the next: of those that showed
something. `accepted`: whole, of distinct answers that were shown. `flicker`: see `Trace`, of keys."""
STAGES = ("sync", "context", "engine", "text", "answer")


def run(
    data: Path,
    config: EngineConfig,
    *,
    language: str | None = None,
    seed: int = 0,
    limit: int | None = None,
    deadline: int | None = None,
    as_json: bool = False,
) -> int:
    """Evaluate and print. deadline: milliseconds for each answer; None: as the settings have it."""
    limit = limit or FILES
    with naming_problems():
        chosen = sources(data, language=language, limit=limit, seed=seed)
    settings = Settings()
    if deadline is not None:
        settings = replace(settings, deadline_ms=deadline)
    # A prompt grows between two keys, as it does in the server.
    loaded = engine.load(replace(config, background_prompt=True))
    try:
        info = loaded.ready.result()
        with asyncio.Runner() as runner:
            traces = runner.run(_type_all(loaded, settings, chosen, seed))
    finally:
        loaded.close()
    options = {
        "--data": data,
        "--language": language,
        "--limit": limit,
        **engine_options(config),
        "--seed": seed,
        "--deadline": deadline,
    }
    document = {
        "command": eval_command("typing", options),
        "commit": commit(),
        "suite": "typing",
        "model": info.model,
        "device": info.device,
        "seed": seed,
        "deadline_ms": settings.deadline_ms,
        **summary(traces, seed),
        "versions": versions("infill-lsp", "torch", "tree-sitter"),
        "python": platform.python_version(),
    }
    if not as_json:
        for table in tables(document):
            Console(highlight=False).print(table)
    print(json.dumps(document))
    return 0


def summary(traces: Sequence[Trace], seed: int) -> dict[str, Any]:
    """Counts, shares with their 95 % intervals (by files), milliseconds by stage."""
    requests = [each for trace in traces for each in trace.requests]
    shares: dict[str, Any] = {}
    for name, count in SHARES.items():
        groups = {str(index): [count(trace)] for index, trace in enumerate(traces)}
        shares[name] = rounded(ratio(groups), 4)
        shares[f"{name}_interval"] = rounded_interval(ratio_interval(groups, seed))
    return {
        "files": len(traces),
        "languages": sorted({trace.source.language for trace in traces}),
        "characters": sum(len(trace.source.text) for trace in traces),
        "keys": sum(trace.keys for trace in traces),
        "backspaces": sum(trace.backspaces for trace in traces),
        "requests": len(requests),
        "shown": sum(trace.counted("shown") for trace in traces),
        **shares,
        "ms": {
            **{stage: _quantiles(requests, stage) for stage in STAGES},
            "answer without a forward": _quantiles(
                [each for each in requests if not each.forwards], "answer"
            ),
        },
    }


def tables(document: dict[str, Any]) -> tuple[Table, Table]:
    """The shares, and the times."""
    shares = Table(box=None, pad_edge=False)
    shares.add_column("{files} files, {characters:,} characters, {keys:,} keys".format(**document))
    shares.add_column("share", justify="right")
    shares.add_column("95 %", justify="right")
    titles = {
        "saved": "characters that came by acceptance",
        "without_forward": "requests answered without a forward",
        "shown_without_forward": "  of those that showed something",
        "accepted": "{shown:,} suggestions shown: accepted".format(**document),
        "accepted_in_part": "  their first line only",
        "flicker": "keys after which an agreeing text changed",
    }
    for name, title in titles.items():
        bounds = document[f"{name}_interval"]
        share = document[name]
        shares.add_row(
            title,
            "" if share is None else f"{share:.1%}",
            "{:.1%}–{:.1%}".format(*bounds) if bounds else "",
        )
    times = Table(box=None, pad_edge=False)
    for title in ("milliseconds", "times", "p50", "p95"):
        times.add_column(title, justify="left" if title == "milliseconds" else "right")
    for stage, found in document["ms"].items():
        if found["times"]:
            times.add_row(
                stage, f"{found['times']:,}", f"{found['p50']:.2f}", f"{found['p95']:.2f}"
            )
    return shares, times


async def _type_all(
    loaded: InfillEngine, settings: Settings, chosen: Sequence[Source], seed: int
) -> list[Trace]:
    completer = Completer()
    completer.engine, completer.settings = loaded, settings
    return [await type_file(completer, source, seed) for source in watched(chosen)]


def _quiet(trace: Trace) -> int:
    return sum(not each.forwards for each in trace.requests)


def _quantiles(requests: Sequence[Request], stage: str) -> dict[str, float | int | None]:
    """Of the requests that had this stage."""
    values = [each.ms[stage] for each in requests if stage in each.ms]
    return {
        "times": len(values),
        "p50": rounded(quantile(values, 0.5), 2),
        "p95": rounded(quantile(values, 0.95), 2),
    }
