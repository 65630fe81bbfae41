"""Who answers cases: the product itself, and baselines that bound what any model can reach.

The product is asked through `completion.fill`, as an editor asks it on request. Only the baselines
look at a case's `middle`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from engine import Draft, EngineInfo, Fill, InfillEngine, InfillRequest, Job, Stats, Stop
from infill_lsp.completion import fill
from infill_lsp.documents import Document
from infill_lsp.evaluation.case import Answer, Case, Filler
from infill_lsp.settings import Settings

WARM_UP = Case("", "def f(a, b):\n    return ", "\n", "", "python", "", "warm.py", "")
"""Filled once before anything is measured."""


def gold(case: Case) -> Answer:
    """What stood there: tests the judge."""
    return Answer(case.middle, True)


def empty(case: Case) -> Answer:
    """Nothing: what a score is worth without any model."""
    return Answer("", False, "nothing was asked")


def product(
    engine: InfillEngine, runner: asyncio.Runner, *, seed: int = 0, deadline: float | None = None,
    automatic: bool = False,
) -> Filler:  # fmt: skip
    """The product with this engine: one suggestion, default settings.

    deadline: seconds; None lets every fill end by itself. automatic: as while somebody types; else as
    on request.
    """

    def answer(case: Case) -> Answer:
        document = Document(f"file:///{case.path}", case.prefix + case.suffix, path=case.path)
        began = time.perf_counter()
        filled = runner.run(
            fill(
                engine,
                document.snapshot(),
                len(case.prefix),
                settings=Settings(),
                automatic=automatic,
                seed=seed,
                deadline=deadline,
            )
        )
        ms = (time.perf_counter() - began) * 1e3
        text = filled.suggestions[0].text if filled.suggestions else ""
        return Answer(
            text=text,
            shown=bool(filled.suggestions),
            silence=filled.silence,
            forwards=filled.draft.stats.forwards if filled.draft else 0,
            tokens=tokens_of(filled.draft, text) if filled.draft else 0,
            ms=ms,
            confidence=filled.suggestions[0].confidence if filled.suggestions else 0.0,
        )

    return answer


def without_suffix(filler: Filler) -> Filler:
    """The same filler, shown a file that ends where the gap begins: neither the model nor what is
    done to its text knows what follows."""

    def answer(case: Case) -> Answer:
        return filler(replace(case, suffix=""))

    return answer


def tokens_of(draft: Draft, text: str) -> int:
    """How many of a draft's tokens it takes to say `text`, which is its start. Of a fill that is
    longer than one canvas, those of the last canvas only."""
    count = covered = 0
    for token in draft.fills[0].tokens:
        if covered >= len(text):
            break
        if token.free and token.settled and token.text:
            count += 1
            covered += len(token.text)
    return count


def ceiling(runner: asyncio.Runner) -> Filler:
    """The product with a model that is always right: what context and post-processing cost."""

    def answer(case: Case) -> Answer:
        return product(_Oracle(case.middle), runner)(case)

    return answer


class _Oracle:
    """An engine that says one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.ready: Future[EngineInfo] = Future()
        self.ready.set_result(
            EngineInfo(
                "ceiling", "none", "none", "any", True, True, False, "", 0, 0, 8192, 256, 0.0
            )
        )

    def submit(
        self, request: InfillRequest, on_draft: Callable[[Draft], None] | None = None
    ) -> Job:
        text = self._text.partition("\n")[0] if request.single_line else self._text
        job = Job(Future(), threading.Event())
        job.result.set_result(Draft(0, (Fill((text,), 1.0),), Stop.STABLE, Stats()))
        return job

    def close(self) -> None:
        """Nothing to end."""
