"""Says which request held the message loop, since every window waits while one does."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

logger = logging.getLogger(__name__)

LONGEST_STEP = 0.2
"""Seconds that one step of a request may take."""

Result = TypeVar("Result")


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Around what runs on the loop without a pause."""
    began = time.perf_counter()
    try:
        yield
    finally:
        took = time.perf_counter() - began
        if took > LONGEST_STEP:
            logger.warning("%s held the message loop for %.0f ms", name, took * 1000)


class Watched(Generic[Result]):
    """Awaits something, and times each of its steps between two pauses."""

    def __init__(self, work: Awaitable[Result], name: str) -> None:
        self._work, self._name = work, name

    def __await__(self) -> Generator[Any, Any, Result]:
        steps = self._work.__await__()
        error: BaseException | None = None
        while True:
            try:
                with timed(self._name):
                    paused = steps.throw(error) if error is not None else next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            try:
                yield paused
                error = None
            except BaseException as thrown:
                error = thrown
