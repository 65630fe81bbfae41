"""`infill-lsp eval`: how good the fills are, on cases whose answer is known.

    cases → answers → programs run → outcomes → scores

The model gets what stands before and after the gap, never the gap's length. A table for people,
then one line of JSON for programs.
"""

from __future__ import annotations

import asyncio
import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

import engine
from engine import EngineConfig
from infill_lsp.commands import CommandError
from infill_lsp.commands.provenance import commit, engine_options, eval_command, versions
from infill_lsp.evaluation import fillers, heldout, humaneval, peers, places, report, suffix_pairs
from infill_lsp.evaluation.answers_file import AnswersFile
from infill_lsp.evaluation.case import Case, EvaluationError, Filler, Outcome, sampled
from infill_lsp.evaluation.judging import Questions, judged
from infill_lsp.evaluation.sandbox import Sandbox

HUMANEVAL, HELDOUT, PAIRS = "humaneval-infilling", "heldout", "suffix-pairs"
PLACES = "places"
BASELINES = ("gold", "empty", "ceiling")
T = TypeVar("T")

BATCH = 16
"""Cases between two writes of the answers file: programs do not run while fills are timed."""

TABLE_WIDTH = 140
"""Columns; a narrower terminal breaks lines, which reads better than broken cells."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Which cases to ask."""

    name: str
    """`humaneval-infilling`, `heldout` or `suffix-pairs`."""
    data: Path
    """The folder of the benchmark or the corpus; of the pairs their file."""
    split: str | None = None
    language: str | None = None
    kind: str | None = None
    limit: int | None = None
    """So many cases (or pairs), drawn at random. None: all."""
    without_suffix: bool = False
    """Hide what follows a gap from whoever fills it; judge the fill with it all the same."""
    automatic: bool = False
    """Ask as an editor does while somebody types, not as on request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who answers."""

    filler: Filler
    model: str
    device: str


def data_of(suite: str, given: Path | None) -> Path:
    """Where a suite's cases are: as given, else those of the repository. CommandError when only
    the user can know."""
    own = {PAIRS: suffix_pairs.FILE, PLACES: places.FOLDER}
    if given is None and suite not in own:
        raise CommandError(f"{suite} needs --data DIR: the folder of the benchmark or the corpus")
    return given or own[suite]


def run(
    suite: Suite,
    config: EngineConfig,
    *,
    seed: int = 0,
    deadline: int | None = None,
    answers: Path | None = None,
    as_json: bool = False,
) -> int:
    """Evaluate and print. deadline: milliseconds for each fill; answers: see `AnswersFile`."""
    with naming_problems():
        outcomes, document = measure(suite, config, seed=seed, deadline=deadline, answers=answers)
    if not as_json:
        show(outcomes, seed, _summary(suite))
    print(json.dumps(document))
    return 0


def measure(
    suite: Suite,
    config: EngineConfig,
    *,
    seed: int = 0,
    deadline: int | None = None,
    answers: Path | None = None,
) -> tuple[list[Outcome], dict[str, Any]]:
    """Each case's outcome, and the line of JSON that sums them up. Raises EvaluationError."""
    questions = _questions(suite, seed)
    with (
        AnswersFile(answers, _identity(suite, config, seed, deadline))
        if answers
        else nullcontext() as file,
        Sandbox() if questions.problems else nullcontext() as sandbox,
        _asked(suite, config, seed, deadline) as asked,
    ):
        done = file.done if file else {}
        outcomes = [done[case.id] for case in questions.cases if case.id in done]
        waiting = [case for case in questions.cases if case.id not in done]
        filler = fillers.without_suffix(asked.filler) if suite.without_suffix else asked.filler
        for batch in _batches(waiting):
            answered = [filler(case) for case in batch]
            new = judged(questions, batch, answered, sandbox)
            outcomes += new
            if file:
                file.add(new)
        network = sandbox.network if sandbox else None
    document = {
        "command": _command(suite, config, seed, deadline),
        "commit": commit(),
        "suite": suite.name,
        "split": suite.split,
        "without_suffix": suite.without_suffix,
        "automatic": suite.automatic,
        "model": asked.model,
        "device": asked.device,
        "seed": seed,
        "deadline_ms": deadline,
        **_summary(suite)(outcomes, seed),
        **report.reasons(outcomes),
        "parts": []
        if suite.name == HUMANEVAL
        else report.breakdown(outcomes, seed, _summary(suite)),
        "sandbox": network,
        "versions": versions("infill-lsp", "torch", "tree-sitter"),
        "python": platform.python_version(),
    }
    return outcomes, document


@contextmanager
def naming_problems() -> Iterator[None]:
    """Tell the user of a suite that cannot be read or judged."""
    try:
        yield
    except EvaluationError as error:
        raise CommandError(str(error)) from error


def watched(files: Sequence[T]) -> Iterable[T]:
    """The files, with a bar on standard error where that is a terminal."""
    console = Console(stderr=True)
    return track(files, "files", console=console, disable=not console.is_terminal)


def show(
    outcomes: Sequence[Outcome], seed: int = 0, summary: report.Summary = report.summary
) -> None:
    """The table for people."""
    console = Console(highlight=False)
    console.width = max(console.width, TABLE_WIDTH)
    console.print(report.table(report.breakdown(outcomes, seed, summary)))


def _summary(suite: Suite) -> report.Summary:
    return report.summary_of_pairs if suite.name == PAIRS else report.summary


def _questions(suite: Suite, seed: int) -> Questions:
    if suite.name == HUMANEVAL:
        if suite.split not in humaneval.SPLITS:
            raise EvaluationError(f"--split must be one of {', '.join(humaneval.SPLITS)}")
        problems = sampled(humaneval.read(suite.data, suite.split), suite.limit, seed)
        return Questions(
            [each.case for each in problems], problems={each.case.id: each for each in problems}
        )
    if suite.name == PAIRS:
        pairs = sampled(suffix_pairs.read(suite.data), suite.limit, seed)
        sides = [side for pair in pairs for side in pair]
        return Questions(
            [each.case for each in sides], sides={each.case.id: each for each in sides}
        )
    if suite.kind not in (None, *heldout.KINDS):
        raise EvaluationError(f"--kind must be one of {', '.join(heldout.KINDS)}")
    documents = heldout.read(suite.data)
    cases = heldout.cases(
        documents, seed=seed, limit=suite.limit, language=suite.language, kind=suite.kind
    )
    return Questions(cases)


@contextmanager
def _asked(suite: Suite, config: EngineConfig, seed: int, deadline: int | None) -> Iterator[Asked]:
    """The model that `--model` names, or a baseline, or a peer; ended at the end."""
    if config.model in BASELINES:
        with asyncio.Runner() as runner:
            baselines = {
                "gold": fillers.gold,
                "empty": fillers.empty,
                "ceiling": fillers.ceiling(runner),
            }
            yield Asked(baselines[config.model], config.model, "none")
        return
    if config.model.endswith(".gguf"):
        on_gpu = config.device.startswith("cuda")
        path = Path(config.model)
        yield Asked(
            peers.load(path, config.threads, on_gpu), path.name, "cuda" if on_gpu else "cpu"
        )
        return
    loaded = engine.load(config)
    try:
        info = loaded.ready.result()
        with asyncio.Runner() as runner:
            seconds = None if deadline is None else deadline / 1000
            filler = fillers.product(
                loaded, runner, seed=seed, deadline=seconds, automatic=suite.automatic
            )
            filler(fillers.WARM_UP)
            yield Asked(filler, info.model, info.device)
    finally:
        loaded.close()


def _batches(cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    """The cases, `BATCH` at a time, with a bar on standard error where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("cases"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(cases))
        for start in range(0, len(cases), BATCH):
            batch = cases[start : start + BATCH]
            yield batch
            progress.advance(bar, len(batch))


def _identity(
    suite: Suite, config: EngineConfig, seed: int, deadline: int | None
) -> dict[str, object]:
    """What answers must have in common to be counted together."""
    return {
        "suite": suite.name,
        "split": suite.split,
        "data": str(suite.data.resolve()),
        "without_suffix": suite.without_suffix,
        "automatic": suite.automatic,
        "seed": seed,
        "deadline_ms": deadline,
        "model": config.model,
        "device": config.device,
        "weights": _weights(config.model),
        "commit": commit(),
    }


def _weights(model: str) -> int:
    """When the model's files changed last: a folder may hold another checkpoint tomorrow."""
    known = {each.name: each.path for each in engine.known_models()}
    path = known.get(model) or Path(model)
    files = [path, *path.iterdir()] if path.is_dir() else [path] if path.is_file() else []
    return max((each.stat().st_mtime_ns for each in files), default=0)


def _command(suite: Suite, config: EngineConfig, seed: int, deadline: int | None) -> str:
    """What to type to get the same numbers."""
    options = {
        "--data": None if suite.data == suffix_pairs.FILE else suite.data,
        "--split": suite.split,
        "--language": suite.language,
        "--kind": suite.kind,
        "--limit": suite.limit,
        **engine_options(config),
        "--seed": seed,
        "--deadline": deadline,
        "--without-suffix": suite.without_suffix,
        "--automatic": suite.automatic,
    }
    return eval_command(suite.name, options)
