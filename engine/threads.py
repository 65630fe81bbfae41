"""How many CPU threads to use now: as many as there are cores that others leave idle.

Every product of a forward ends in a barrier. With a thread for each core, another program that wants
one of them (a build, a test run) makes each barrier wait for the scheduler, and a forward takes ten
times as long as with one thread less. Knows the operating system's counters and no tensor.
"""

from __future__ import annotations

import math
import time

import psutil

SHORTEST_WINDOW = 0.05
"""Seconds. The counters tick too coarsely for less."""
MOST_THREADS = 8
"""More do not help a model that is read from memory for a few tokens."""


class SpareCores:
    """Watches the machine between two questions."""

    def __init__(self, most: int) -> None:
        """most: what would be used on an idle machine."""
        self._process = psutil.Process()
        self._most = max(1, min(MOST_THREADS, most))
        self._cores = psutil.cpu_count() or 1
        self._answer = self._most
        self._seen = self._look()

    def count(self) -> int:
        """Threads worth using, from what others did since the last question; at least 1."""
        now, busy, own = self._look()
        then, busy_then, own_then = self._seen
        if (seconds := now - then) >= SHORTEST_WINDOW:
            others = max(0.0, busy - busy_then - (own - own_then)) / seconds
            self._seen = now, busy, own
            # A core that is idle for the most part is worth having.
            self._answer = min(self._most, max(1, math.floor(self._cores - others + 0.5)))
        return self._answer

    def _look(self) -> tuple[float, float, float]:
        """Time, and core-seconds used so far by everyone and by this process."""
        times = psutil.cpu_times()
        own = self._process.cpu_times()
        # Linux alone counts `steal`: what the host of a virtual machine takes away.
        used = times.user + times.system + getattr(times, "nice", 0.0)
        used += getattr(times, "steal", 0.0)
        return time.perf_counter(), used, own.user + own.system
