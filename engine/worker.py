"""One thread owns the device. The newest request of each document wins; cancel flags are read
between steps. Knows queues and threads; what a fill is, only `engine.engine` knows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.config import EngineConfig
from engine.memory import give_back
from engine.request import Cancelled, Draft, EngineError, EngineInfo, InfillRequest, Job

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)

BUNDLED: dict[str, Any] = {"model": "bundled", "device": "cpu", "quantization": "auto"}
"""What stands in for a model that cannot be loaded: it needs nothing but the package."""
IDLE_BEFORE_GROWTH = 0.15
"""Seconds without a request before the prompt's cache grows: not between two quick keys."""
IDLE_BEFORE_TIDYING = 1.0
"""The same before freed memory goes back to the operating system."""


@dataclass(slots=True)
class _Queued:
    request: InfillRequest
    job: Job
    on_draft: Callable[[Draft], None] | None
    submitted: float


class Worker:
    """An `InfillEngine` on a thread of its own."""

    def __init__(
        self,
        config: EngineConfig,
        on_progress: Callable[[float, str], None] | None = None,
        make_engine: Callable[..., tuple[Engine, EngineInfo]] | None = None,
    ) -> None:
        self._config = config
        self._on_progress = on_progress
        self._make_engine = make_engine or _load_engine
        self._ready: Future[EngineInfo] = Future()
        self._queue: deque[_Queued] = deque()
        self._running: _Queued | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="infill-engine", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> Future[EngineInfo]:
        return self._ready

    def submit(
        self, request: InfillRequest, on_draft: Callable[[Draft], None] | None = None
    ) -> Job:
        """Queue a request, and cancel older ones of the same document and those that give way."""
        job = Job(Future(), threading.Event())
        queued = _Queued(request, job, on_draft, time.perf_counter())
        with self._changed:
            if self._closed:
                job.cancel("the engine is closed")
                return job
            older = [*self._queue, *([self._running] if self._running else [])]
            if request.gives_way and not all(each.job.result.done() for each in older):
                job.cancel("something else is asked")
                return job
            for each in older:
                if each.request.gives_way:
                    each.job.cancel("it gave way to another request")
                elif request.document and each.request.document == request.document:
                    each.job.cancel("a newer request for this document took its place")
            self._queue.append(queued)
            self._changed.notify()
        return job

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for queued in [*self._queue, *([self._running] if self._running else [])]:
                queued.job.cancel("the engine is closed")
            self._queue.clear()
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            engine, info = self._make_engine(self._config, self._on_progress)
        except EngineError as error:
            return self._fail(error)
        except Exception as error:  # whatever went wrong, whoever waits must hear of it
            log.exception("the model could not be loaded")
            return self._fail(EngineError(f"The model could not be loaded: {error}"))
        with suppress(InvalidStateError):
            self._ready.set_result(info)
        while (queued := self._next(engine)) is not None:
            self._fill(engine, queued)
        return None

    def _next(self, engine: Engine) -> _Queued | None:
        """Wait for the next request, and use the wait. None: the worker is closed."""
        idle_since, tidy = time.perf_counter(), False
        while True:
            with self._changed:
                while self._queue and self._queue[0].job.cancelled.is_set():
                    self._queue.popleft()
                if self._closed:
                    return None
                if self._queue:
                    self._running = self._queue.popleft()
                    return self._running
                growth = engine.wants_growth
                pause = IDLE_BEFORE_GROWTH if growth else IDLE_BEFORE_TIDYING
                rest = idle_since + pause - time.perf_counter()
                if rest > 0 or (tidy and not growth):
                    self._changed.wait(None if tidy and not growth else rest)
                    continue
            if growth:
                self._grow(engine)
            else:
                give_back()
                tidy = True

    def _grow(self, engine: Engine) -> None:
        try:
            engine.grow(interrupted=lambda: bool(self._queue) or self._closed)
        except Exception:
            log.exception("growing the prompt failed")
            engine.forget()

    def _fill(self, engine: Engine, queued: _Queued) -> None:
        result = queued.job.result
        try:
            answer = self._last_draft(engine, queued)
        except (Cancelled, EngineError) as error:
            outcome: Exception = error
        except Exception as error:  # one bad request must not end the thread
            log.exception("a fill failed")
            engine.forget()
            outcome = EngineError(f"The fill failed: {type(error).__name__}: {error}")
        else:
            with suppress(InvalidStateError):
                result.set_result(answer)
            return
        finally:
            with self._changed:
                self._running = None
        with suppress(InvalidStateError):
            result.set_exception(outcome)

    def _last_draft(self, engine: Engine, queued: _Queued) -> Draft:
        last: Draft | None = None
        cancelled = queued.job.cancelled.is_set
        for draft in engine.infill(queued.request, queued.submitted, cancelled):
            if queued.on_draft is not None:
                queued.on_draft(draft)
            last = draft
        if last is None:
            raise EngineError("The engine made no draft. Please report this as a bug.")
        return last

    def _fail(self, error: EngineError) -> None:
        with suppress(InvalidStateError):
            self._ready.set_exception(error)
        with self._changed:
            while not self._closed:
                while self._queue:
                    job = self._queue.popleft().job
                    with suppress(InvalidStateError):
                        job.result.set_exception(error)
                self._changed.wait()


def _load_engine(
    config: EngineConfig, on_progress: Callable[[float, str], None] | None
) -> tuple[Engine, EngineInfo]:
    """The model that `config` names; or, if it allows that, the bundled one in its place."""
    try:
        return _load_named(config, on_progress)
    except EngineError as error:
        if not config.bundled_instead or (config.model, config.device) == ("bundled", "cpu"):
            raise
        log.warning("the bundled model is loaded instead: %s", error)
        engine, info = _load_named(replace(config, **BUNDLED), on_progress)
        return engine, replace(info, instead=str(error))


def _load_named(
    config: EngineConfig, on_progress: Callable[[float, str], None] | None
) -> tuple[Engine, EngineInfo]:
    # Here begins torch: seconds of import that a language server must not wait for.
    import torch

    from engine.engine import Engine
    from engine.models import load_model
    from engine.models.loading import TOO_LARGE

    try:
        model, tokenizer, info = load_model(config, on_progress)
        engine = Engine(model, tokenizer, config)
        if on_progress is not None and model.device.type == "cuda":
            on_progress(1.0, "warming up (the first time, kernels are compiled: a minute or two)")
        engine.warm_up()
    except torch.OutOfMemoryError as error:
        raise EngineError(TOO_LARGE.format(device=config.device)) from error
    except RuntimeError as error:
        # A card that this torch has no code for, a driver that fails: known only by trying.
        said = str(error).partition("\n")[0]
        raise EngineError(
            f"The model could not be run on device {config.device}: {said}. Run `infill-lsp doctor`, "
            "or set the device to cpu."
        ) from error
    give_back()  # what was read and converted on the way
    return engine, info
