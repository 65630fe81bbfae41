"""Engines by configuration, so that all connections to one server share one model.

Knows when an engine is started and ended, and how far it is; asks it nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from engine import EngineConfig, InfillEngine

Progress = Callable[[float, str], None]
"""Told how much is loaded (0 to 1), and what is being loaded."""
Renewal = Callable[[], None]
"""Told that the engine was ended, and another is to be acquired."""
EngineFactory = Callable[[EngineConfig, Progress], InfillEngine]


@dataclass(slots=True)
class _Held:
    engine: InfillEngine
    users: dict[Progress, Renewal] = field(default_factory=dict)


class Engines:
    """Started when first asked for. Used from the event loop's thread only."""

    def __init__(self, start: EngineFactory) -> None:
        """start: may call its second argument from any thread."""
        self._start = start
        self._held: dict[EngineConfig, _Held] = {}

    def acquire(
        self, config: EngineConfig, on_progress: Progress, on_renewal: Renewal = lambda: None
    ) -> InfillEngine:
        """The engine of this configuration; `release` it once. Raises what the factory raises.

        One that could not load its model is started afresh; so is one with another model than was
        asked for, when nobody uses it. Engines that nobody uses are ended,
        but for the last one used: the next window finds it warm.
        """
        held = self._held.get(config)
        if held is None or _failed(held.engine) or (not held.users and _stands_in(held.engine)):
            self._end(config)
            self._end_idle(but=None)
            held = self._held[config] = _Held(self._start(config, self._teller(config)))
        held.users[on_progress] = on_renewal
        return held.engine

    def release(self, config: EngineConfig, on_progress: Progress) -> None:
        """One user less. Harmless when the engine was ended already."""
        held = self._held.get(config)
        if held is None or on_progress not in held.users:
            return
        del held.users[on_progress]
        if not held.users:
            self._end_idle(but=config)

    def renew(self, *models: str) -> None:
        """End the engines of these models' names, and let their users acquire new ones."""
        ended = [config for config in self._held if config.model in models]
        users = [each for config in ended for each in self._held[config].users.values()]
        for config in ended:
            self._end(config)
        for on_renewal in users:
            on_renewal()

    def close(self) -> None:
        """End all engines."""
        for config in list(self._held):
            self._end(config)

    def _teller(self, config: EngineConfig) -> Progress:
        loop = asyncio.get_running_loop()

        def tell(share: float, what: str) -> None:
            if (held := self._held.get(config)) is not None:
                for on_progress in held.users:
                    on_progress(share, what)

        return lambda share, what: _in_loop(loop, tell, share, what)

    def _end_idle(self, but: EngineConfig | None) -> None:
        for config, held in list(self._held.items()):
            if config != but and not held.users:
                self._end(config)

    def _end(self, config: EngineConfig) -> None:
        if (held := self._held.pop(config, None)) is not None:
            # An engine waits for its thread, which may be in the middle of loading.
            threading.Thread(target=held.engine.close, name="closing", daemon=True).start()


def _failed(engine: InfillEngine) -> bool:
    ready = engine.ready
    return ready.done() and (ready.cancelled() or ready.exception() is not None)


def _stands_in(engine: InfillEngine) -> bool:
    ready = engine.ready
    return ready.done() and not _failed(engine) and bool(ready.result().instead)


def _in_loop(loop: asyncio.AbstractEventLoop, tell: Progress, share: float, what: str) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell, share, what)
