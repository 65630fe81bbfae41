"""An engine without a model: scripted answers, delays and failures, and counts of what it did."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from engine import (
    Cancelled,
    Draft,
    EngineError,
    EngineInfo,
    Fill,
    InfillRequest,
    Job,
    Stats,
    Stop,
    Token,
)

Script = Callable[[InfillRequest], Sequence[str | Sequence[str]]]
"""The variants; one with several gaps is a list of texts, or one text for each of them."""


class FakeEngine:
    """Does `steps` forwards of `step_seconds` each, looking at the cancel flag between them."""

    def __init__(
        self,
        answer: str | Sequence[str | Sequence[str]] | Script = "pass",
        *,
        steps: int = 2,
        step_seconds: float = 0.0,
        load_seconds: float = 0.0,
        load_error: str | None = None,
        instead: str = "",
        offer: str = "",
        model: str = "fake",
        sees_after: bool = True,
        weighs: bool = False,
        order: str = "any",
        error: str | None = None,
        stop: Stop = Stop.STABLE,
        on_progress: Callable[[float, str], None] = lambda share, what: None,
    ) -> None:
        self.answer = answer
        self.steps, self.step_seconds, self.error, self.stop = steps, step_seconds, error, stop
        self.requests: list[InfillRequest] = []
        self.forwards = 0
        self.cancellations = 0
        self.closed = False
        self.gate = threading.Event()
        """Clear it to keep the engine busy before its first forward, until it is set again."""
        self.gate.set()
        self.ready: Future[EngineInfo] = Future()
        self._jobs: queue.Queue[tuple[InfillRequest, Job, Callable[[Draft], None] | None] | None]
        self._jobs = queue.Queue()
        self._load = (load_seconds, load_error)
        self._offer, self._model = offer, model
        self._instead, self._sees_after, self._weighs = instead, sees_after, weighs
        self._order = order
        self._on_progress = on_progress
        threading.Thread(target=self._run, name="fake engine", daemon=True).start()

    def submit(
        self, request: InfillRequest, on_draft: Callable[[Draft], None] | None = None
    ) -> Job:
        self.requests.append(request)
        job = Job(Future(), threading.Event())
        self._jobs.put((request, job, on_draft))
        return job

    def close(self) -> None:
        self.closed = True
        self._jobs.put(None)

    def _run(self) -> None:
        seconds, error = self._load
        for quarter in range(4):
            self._on_progress(quarter / 4, "weights")
            time.sleep(seconds / 4)
        if error is not None:
            self.ready.set_exception(EngineError(error))
        else:
            self.ready.set_result(
                EngineInfo(
                    self._model,
                    "cpu",
                    "none",
                    self._order,
                    self._sees_after,
                    self._sees_after,  # and ends by itself
                    self._weighs,
                    "Apache-2.0",
                    0,
                    0,
                    8192,
                    256,
                    seconds,
                    self._instead,
                    offer=self._offer,
                )
            )
        while (entry := self._jobs.get()) is not None:
            request, job, on_draft = entry
            try:
                job.result.set_result(self._fill(request, job, on_draft))
            except (Cancelled, EngineError) as failure:
                self.cancellations += isinstance(failure, Cancelled)
                with suppress(InvalidStateError):
                    job.result.set_exception(failure)
            except InvalidStateError:  # cancelled after the last step
                self.cancellations += 1

    def _fill(
        self, request: InfillRequest, job: Job, on_draft: Callable[[Draft], None] | None
    ) -> Draft:
        while not self.gate.wait(0.005):
            if job.cancelled.is_set():
                raise Cancelled
        if self.error is not None:
            raise EngineError(self.error)
        for step in range(self.steps):
            if job.cancelled.is_set():
                raise Cancelled
            time.sleep(self.step_seconds)
            self.forwards += 1
            if on_draft is not None:
                on_draft(self._draft(request, step, Stop.RUNNING))
        final = self._draft(request, self.steps, self.stop)
        if on_draft is not None:
            on_draft(final)
        return final

    def _draft(self, request: InfillRequest, step: int, stop: Stop) -> Draft:
        answer = self.answer(request) if callable(self.answer) else self.answer
        texts = [answer] if isinstance(answer, str) else list(answer)
        gaps = len(request.between) + 1
        settled = 1.0 if stop is not Stop.RUNNING else step / self.steps
        fills = tuple(
            Fill(
                gapped,
                0.9 - 0.01 * rank,
                _canvas(request, gapped, settled),
                stop in (Stop.STABLE, Stop.COMPLETE),
            )
            for rank, text in enumerate(texts[: request.variants])
            for first, *rest in [[text] * gaps if isinstance(text, str) else text]
            for gapped in [(request.begins + first, *rest)]
        )
        ms = dict.fromkeys(("queue", "prompt", "encode", "denoise", "forward", "total"), 0.0)
        return Draft(step, fills, stop, Stats(steps=step, forwards=step, ms=ms))


def _canvas(request: InfillRequest, texts: Sequence[str], settled: float) -> tuple[Token, ...]:
    """Word by word; the first `settled` of each gap stands, the rest is noise."""
    tokens = []
    for gap, text in enumerate(texts):
        if gap:
            tokens.append(Token(request.between[gap - 1], 1.0, False, True))
        words = re.findall(r"\s*\S+", text)
        stands = round(settled * len(words))
        tokens += [Token(word, 0.3 + 0.6 * (len(word) % 2), True, True) for word in words[:stands]]
        tokens += [Token("", 0.0, True, False)] * (len(words) - stands)
    return tuple(tokens)
