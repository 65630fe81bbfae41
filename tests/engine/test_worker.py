"""One thread, newest wins, cancelled between steps; nothing that goes wrong ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait

import pytest

from engine.config import EngineConfig
from engine.request import (
    Cancelled,
    Draft,
    EngineError,
    EngineInfo,
    Fill,
    InfillRequest,
    Stats,
    Stop,
)
from engine.worker import Worker

INFO = EngineInfo("fake", "cpu", "float32", "any", True, True, False, "none", 1, 1, 8192, 256, 0.0)


class SteppingEngine:
    """Each step waits for `go`; a step fails when the prefix says so."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.started = threading.Semaphore(0)
        self.steps = 0
        self.growth = 0
        self.grown = threading.Event()
        self.forgotten = False

    @property
    def wants_growth(self) -> bool:
        return self.growth > 0

    def grow(self, interrupted: Callable[[], bool]) -> None:
        self.growth -= 1
        if self.growth == 0:
            self.grown.set()

    def forget(self) -> None:
        self.forgotten = True

    def infill(
        self, request: InfillRequest, submitted: float, interrupted: Callable[[], bool]
    ) -> Iterator[Draft]:
        self.started.release()
        for index in range(3):
            assert self.go.acquire(timeout=10)
            if interrupted():
                raise Cancelled("stopped")
            self.steps += 1
            if request.prefix == "broken":
                raise RuntimeError("a kernel exploded")
            stop = Stop.STABLE if index == 2 else Stop.RUNNING
            yield Draft(index + 1, (Fill((request.prefix + str(index),), 1.0),), stop, Stats())


@pytest.fixture
def engine() -> SteppingEngine:
    return SteppingEngine()


@pytest.fixture
def worker(engine: SteppingEngine) -> Iterator[Worker]:
    worker = Worker(EngineConfig(), make_engine=lambda config, progress: (engine, INFO))
    yield worker
    for _ in range(100):
        engine.go.release()
    worker.close()


def test_a_request_is_answered_with_its_last_draft(worker: Worker, engine: SteppingEngine) -> None:
    drafts: list[Draft] = []
    for _ in range(3):
        engine.go.release()
    job = worker.submit(InfillRequest("a"), drafts.append)
    assert job.result.result(timeout=10).fills[0].text == "a2"
    assert [draft.step for draft in drafts] == [1, 2, 3]
    assert worker.ready.result(timeout=1) is INFO


def test_the_newest_request_of_a_document_wins(worker: Worker, engine: SteppingEngine) -> None:
    running = worker.submit(InfillRequest("old", document="x"))
    assert engine.started.acquire(timeout=10)
    queued = worker.submit(InfillRequest("older", document="x"))
    other = worker.submit(InfillRequest("other", document="y"))
    newest = worker.submit(InfillRequest("new", document="x"))
    for job in (running, queued):
        with pytest.raises(Cancelled, match="newer"):
            job.result.result(timeout=1)  # at once: no step has been let go
    for _ in range(7):
        engine.go.release()
    assert newest.result.result(timeout=10).fills[0].text == "new2"
    assert other.result.result(timeout=10).fills[0].text == "other2"
    assert engine.steps == 6  # the displaced ones made no step after that


def test_what_gives_way_ends_with_any_other_request_and_does_not_begin_beside_one(
    worker: Worker, engine: SteppingEngine
) -> None:
    ahead = worker.submit(InfillRequest("ahead", document="x", gives_way=True))
    assert engine.started.acquire(timeout=10)
    asked = worker.submit(InfillRequest("asked", document="y"))
    with pytest.raises(Cancelled, match="gave way"):
        ahead.result.result(timeout=1)
    with pytest.raises(Cancelled, match="something else"):
        worker.submit(InfillRequest("again", gives_way=True)).result.result(timeout=1)
    for _ in range(4):
        engine.go.release()
    assert asked.result.result(timeout=10).fills[0].text == "asked2"
    assert engine.steps == 3, "none for what gave way"
    for _ in range(3):
        engine.go.release()
    idle = worker.submit(InfillRequest("idle", gives_way=True))
    assert idle.result.result(timeout=10).fills[0].text == "idle2"


def test_cancel_answers_at_once_and_costs_at_most_one_step(
    worker: Worker, engine: SteppingEngine
) -> None:
    job = worker.submit(InfillRequest("a"))
    assert engine.started.acquire(timeout=10)
    begin = time.perf_counter()
    job.cancel()
    with pytest.raises(Cancelled):
        job.result.result(timeout=1)
    assert time.perf_counter() - begin < 0.05
    for _ in range(4):
        engine.go.release()
    after = worker.submit(InfillRequest("b"))
    assert after.result.result(timeout=10).fills[0].text == "b2"
    assert engine.steps == 3


def test_a_failed_fill_is_reported_and_the_next_one_works(
    worker: Worker, engine: SteppingEngine
) -> None:
    for _ in range(4):
        engine.go.release()
    broken = worker.submit(InfillRequest("broken"))
    with pytest.raises(EngineError, match="a kernel exploded"):
        broken.result.result(timeout=10)
    assert engine.forgotten
    assert worker.submit(InfillRequest("ok")).result.result(timeout=10).fills[0].text == "ok2"


def test_the_prompt_grows_only_while_nobody_waits(worker: Worker, engine: SteppingEngine) -> None:
    for _ in range(3):
        engine.go.release()
    engine.growth = 5
    worker.submit(InfillRequest("a")).result.result(timeout=10)
    assert engine.grown.wait(timeout=10)


def test_a_model_that_cannot_be_loaded_is_everyones_answer() -> None:
    def fail(config: EngineConfig, progress: object) -> tuple[SteppingEngine, EngineInfo]:
        time.sleep(0.05)
        raise EngineError("Weights are missing. Reinstall.")

    worker = Worker(EngineConfig(), make_engine=fail)
    early = worker.submit(InfillRequest("a"))
    with pytest.raises(EngineError, match="Reinstall"):
        worker.ready.result(timeout=10)
    late = worker.submit(InfillRequest("a"))
    for job in (early, late):
        with pytest.raises(EngineError, match="Reinstall"):
            job.result.result(timeout=10)
    worker.close()


def test_close_cancels_everything_and_can_be_called_twice(engine: SteppingEngine) -> None:
    worker = Worker(EngineConfig(), make_engine=lambda config, progress: (engine, INFO))
    jobs = [worker.submit(InfillRequest("a")) for _ in range(3)]
    assert engine.started.acquire(timeout=10)
    for _ in range(5):
        engine.go.release()
    worker.close()
    worker.close()
    assert not wait([job.result for job in jobs], timeout=5).not_done
    with pytest.raises(Cancelled):
        worker.submit(InfillRequest("b")).result.result(timeout=1)
