"""How suggestions fare: counts and latencies by day and language, in one SQLite file on this machine.

No text, no path and no time of day comes in here. Several servers may write at once. Knows neither
suggestions nor the protocol (see `acceptance`).
"""

from __future__ import annotations

import logging
import math
import queue
import re
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import platformdirs

logger = logging.getLogger(__name__)

CLOSING_SECONDS = 0.5
"""How long the end of a connection waits for its last counts to be written."""

_STEP = math.log(1.05)
"""Latencies are kept in buckets of 5 %: enough for percentiles, and counts can be added."""
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}")
_TABLES = """
    CREATE TABLE IF NOT EXISTS counts (
        day TEXT, language TEXT, shown INTEGER, accepted INTEGER, partial INTEGER,
        characters INTEGER, PRIMARY KEY (day, language)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS latencies (
        day TEXT, language TEXT, bucket INTEGER, shown INTEGER,
        PRIMARY KEY (day, language, bucket)
    ) WITHOUT ROWID;
"""
_COUNT = """
    INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        shown = shown + excluded.shown, accepted = accepted + excluded.accepted,
        partial = partial + excluded.partial, characters = characters + excluded.characters
"""
_TIME = """
    INSERT INTO latencies VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET shown = shown + 1
"""


@dataclass(frozen=True, slots=True)
class Event:
    """What is to be added to the counts of one language."""

    language: str
    shown: int = 0
    accepted: int = 0
    partial: int = 0
    """-1 when what was accepted in part is now accepted as a whole."""
    characters: int = 0
    """Inserted by accepting, so not typed."""
    ms: float | None = None
    """From the request to its answer, when something is shown."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What became of the suggestions in one language on one day."""

    day: str
    language: str
    shown: int
    accepted: int
    partial: int
    characters: int
    latencies: dict[float, int]
    """Milliseconds (a bucket's middle) to how many took so long."""


def usage_file() -> Path:
    """Where the counts are kept."""
    return platformdirs.user_state_path("infill-lsp", appauthor=False) / "usage.sqlite3"


class UsageLog:
    """Writes events on a thread of its own, so that a locked or slow disk stops nobody."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or usage_file()
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def add(self, event: Event) -> None:
        """Returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="usage", daemon=True)
            self._thread.start()
        self._events.put(event)

    def close(self) -> None:
        """Wait a little for what is left to be written."""
        if self._thread is not None:
            self._events.put(None)
            self._thread.join(CLOSING_SECONDS)
            self._thread = None

    def _write_all(self) -> None:
        told = False
        while (event := self._events.get()) is not None:
            try:
                write(self._file, [event])
            except (OSError, sqlite3.Error) as error:
                if not told:
                    logger.warning("counts cannot be kept in %s: %s", self._file, error)
                told = True


def write(file: Path, events: Iterable[Event]) -> None:
    """Add events to today's counts. Raises OSError, sqlite3.Error."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    today = date.today().isoformat()
    with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
        connection.executescript(_TABLES)
        for event in events:
            language = event.language if _LANGUAGE.fullmatch(event.language) else "other"
            row = (event.shown, event.accepted, event.partial, event.characters)
            connection.execute(_COUNT, (today, language, *row))
            if event.ms is not None:
                bucket = round(math.log(max(event.ms, 1.0)) / _STEP)
                connection.execute(_TIME, (today, language, bucket))


def read(file: Path) -> list[Usage]:
    """Everything that was counted, by day and language. Raises sqlite3.Error."""
    if not file.exists():
        return []
    with closing(sqlite3.connect(file, timeout=10)) as connection:
        connection.executescript(_TABLES)
        latencies: dict[tuple[str, str], dict[float, int]] = {}
        for day, language, bucket, shown in connection.execute("SELECT * FROM latencies"):
            latencies.setdefault((day, language), {})[math.exp(bucket * _STEP)] = shown
        return [
            Usage(
                day, language, shown, accepted, partial, saved, latencies.get((day, language), {})
            )
            for day, language, shown, accepted, partial, saved in connection.execute(
                "SELECT * FROM counts ORDER BY day, language"
            )
        ]
