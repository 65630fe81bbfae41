"""Engines by configuration, so that all connections to one server share one model.

Knows when an engine is started and ended; asks it nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from engine import EngineConfig, InfillEngine

EngineFactory = Callable[[EngineConfig], InfillEngine]


class Engines:
    """Started when first asked for. Used from the event loop's thread only."""

    def __init__(self, start: EngineFactory) -> None:
        self._start = start
        self._engines: dict[EngineConfig, InfillEngine] = {}
        self._users: Counter[EngineConfig] = Counter()

    def acquire(self, config: EngineConfig) -> InfillEngine:
        """The engine of this configuration; `release` it once. Raises what the factory raises.

        One that could not load its model is started afresh. Engines that nobody uses are ended:
        the last one used stays, so that the next window finds it warm.
        """
        engine = self._engines.get(config)
        if engine is not None and _failed(engine):
            self._end(config)
            engine = None
        if engine is None:
            self._end_idle(but=None)
            engine = self._engines[config] = self._start(config)
        self._users[config] += 1
        return engine

    def release(self, config: EngineConfig) -> None:
        """One user less."""
        self._users[config] -= 1
        if not self._users[config]:
            self._end_idle(but=config)

    def close(self) -> None:
        """End all engines."""
        for config in list(self._engines):
            self._end(config)

    def _end_idle(self, but: EngineConfig | None) -> None:
        for config in list(self._engines):
            if config != but and not self._users[config]:
                self._end(config)

    def _end(self, config: EngineConfig) -> None:
        self._engines.pop(config).close()


def _failed(engine: InfillEngine) -> bool:
    ready = engine.ready
    return ready.done() and (ready.cancelled() or ready.exception() is not None)
