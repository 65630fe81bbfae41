"""One engine for all who want the same; none for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from fake_engine import FakeEngine

from engine import EngineConfig
from infill_lsp.engines import Engines, Progress

SMALL, BIG = EngineConfig(model="small"), EngineConfig(model="big")


def one(_share: float, _what: str) -> None:
    """A connection that does not care."""


def other(_share: float, _what: str) -> None:
    """Another one."""


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_shared_and_idle_ones_ended() -> None:
    made: list[FakeEngine] = []

    def start(_config: EngineConfig, _on_progress: Progress) -> FakeEngine:
        made.append(FakeEngine())
        return made[-1]

    engines = Engines(start)
    assert engines.acquire(SMALL, one) is engines.acquire(SMALL, other)
    engines.release(SMALL, one)
    engines.acquire(BIG, one)
    assert not made[0].closed, "one user is left"
    engines.release(SMALL, other)
    assert not made[0].closed, "it may be wanted again"
    engines.release(BIG, one)
    await until(lambda: made[0].closed)
    assert engines.acquire(BIG, one) is made[1], "the last one stays warm"
    engines.release(BIG, one)
    engines.acquire(SMALL, one)
    await until(lambda: made[1].closed)
    assert not made[2].closed
    engines.close()
    await until(lambda: made[2].closed)


async def test_one_that_failed_is_started_afresh() -> None:
    made = [FakeEngine(load_error="broken weights"), FakeEngine()]
    left = list(made)
    engines = Engines(lambda _config, _on_progress: left.pop(0))
    failed = engines.acquire(SMALL, one)
    await until(failed.ready.done)
    assert engines.acquire(SMALL, other) is made[1]
    engines.release(SMALL, one)
    assert engines.acquire(SMALL, one) is made[1], "the old user's release ended nothing"
    engines.close()


async def test_one_that_stands_in_is_tried_again_when_nobody_uses_it() -> None:
    made = [FakeEngine(instead="no GPU"), FakeEngine()]
    left = list(made)
    engines = Engines(lambda _config, _on_progress: left.pop(0))
    first = engines.acquire(BIG, one)
    await until(first.ready.done)
    assert engines.acquire(BIG, other) is first, "a second window does not end it"
    engines.release(BIG, one)
    engines.release(BIG, other)
    assert engines.acquire(BIG, one) is made[1]
    engines.close()


async def test_ending_one_does_not_wait_for_its_thread() -> None:
    class Slow(FakeEngine):
        def close(self) -> None:
            super().close()
            release.wait(10)

    release = threading.Event()
    engines = Engines(lambda _config, _on_progress: Slow())
    engines.acquire(SMALL, one)
    began = asyncio.get_running_loop().time()
    engines.close()
    assert asyncio.get_running_loop().time() - began < 5
    release.set()


async def test_progress_reaches_every_user_in_the_loop() -> None:
    tell: list[Progress] = []

    def start(_config: EngineConfig, on_progress: Progress) -> FakeEngine:
        tell.append(on_progress)
        return FakeEngine()

    heard: list[tuple[str, float, str]] = []
    engines = Engines(start)
    engines.acquire(SMALL, lambda share, what: heard.append(("one", share, what)))
    engines.acquire(SMALL, lambda share, what: heard.append(("two", share, what)))
    await asyncio.to_thread(tell[0], 0.5, "weights")
    await until(lambda: len(heard) == 2)
    assert heard == [("one", 0.5, "weights"), ("two", 0.5, "weights")]
    engines.close()


async def test_a_model_that_came_is_taken_by_all_who_wait_for_it() -> None:
    made: list[FakeEngine] = []

    def start(_config: EngineConfig, _on_progress: Progress) -> FakeEngine:
        made.append(FakeEngine())
        return made[-1]

    engines = Engines(start)
    renewed: list[str] = []
    engines.acquire(SMALL, one, lambda: renewed.append("one"))
    engines.acquire(SMALL, other, lambda: renewed.append("other"))
    big = engines.acquire(BIG, one, lambda: renewed.append("big"))
    engines.renew("auto", SMALL.model)
    assert renewed == ["one", "other"]
    await until(lambda: made[0].closed)
    engines.release(SMALL, one)
    assert engines.acquire(SMALL, one) is not made[0]
    assert engines.acquire(BIG, other) is big
    engines.close()
