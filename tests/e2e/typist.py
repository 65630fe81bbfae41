"""A minute of typing, the same for every editor: the keys, what a scripted engine answers to them, and
whether what an editor shows belongs to what was typed.

Every answer begins with a few letters that will be typed, and ends with a mark of the line that it was
made for. So it is typed into and then left, and grey text of another moment is known by its mark.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from engine import InfillRequest

TEXT = '''\
def weighted_mean(values, weights):
    """The mean of values, each counted by its weight."""
    if len(values) != len(weights):
        raise ValueError("a weight for every value")
    total = sum(weights)
    if not total:
        return None
    terms = zip(values, weights)
    return sum(v * w for v, w in terms) / total


class Running:
    def __init__(self):
        self.count, self.mean = 0, 0.0

    def add(self, value):
        self.count += 1
        step = (value - self.mean) / self.count
        self.mean += step
        return self.mean'''
KEYS, SECONDS = 600, 60.0
AT_ONCE, PAUSE = 10, 0.5
"""Keys from one pause to the next, in which grey text comes, to be typed into after it, and the
pause's seconds."""
BACKSPACE = "\b"
SCRIPT = {"typist": True, "steps": 3, "step_seconds": 0.03}
"""For the server with the fake engine: it answers as here, and more slowly than the keys come."""
PATIENCE = 5.0
"""Seconds in which an editor must show what was typed, or it hangs."""

_MISTAKE = "z"
_AHEAD = 4
MARK = re.compile(r"_[0-9a-f]{8}")


class Key(NamedTuple):
    """One key, the seconds to wait after it, and the line before the cursor then."""

    key: str
    pause: float
    line: str


class Screen(NamedTuple):
    """The rows of text and grey text together, and where the cursor stands."""

    rows: list[str]
    row: int
    column: int


def keys(text: str = TEXT) -> Iterator[Key]:
    """The text letter by letter, with so many wrong letters, each taken back, that it makes KEYS keys."""
    mistakes = (KEYS - len(text)) // 2
    typed = []
    for at, letter in enumerate(text):
        if (at + 1) * mistakes // len(text) > at * mistakes // len(text):
            typed += [_MISTAKE, BACKSPACE]
        typed.append(letter)
    between = (SECONDS / KEYS * AT_ONCE - PAUSE) / (AT_ONCE - 1)
    stands = ""
    for count, key in enumerate(typed, 1):
        stands = stands[:-1] if key == BACKSPACE else stands + key
        yield Key(key, between if count % AT_ONCE else PAUSE, stands.rpartition("\n")[2])


def answer(line: str) -> str:
    """A few right letters, where the line is one of TEXT's, and the line's mark."""
    lines = [whole for whole in TEXT.split("\n") if whole.startswith(line)]
    ahead = lines[0][len(line) : len(line) + _AHEAD] if lines else ""
    return f"{ahead}_{zlib.crc32(line.encode()):08x}"


def engine_answer(request: InfillRequest) -> list[str]:
    """The same, as a script of the fake engine."""
    return [answer(request.prefix.rpartition("\n")[2])]


def grey(screen: Screen) -> str:
    """What stands behind the cursor, where nothing was typed."""
    return screen.rows[screen.row][screen.column :].rstrip()


def stale(screen: Screen, indents: bool = False) -> bool:
    """Whether grey text is shown that does not go on from what stands before the cursor.

    It does, where it is what is left of an answer to the line, or to the line as it was before what
    has been typed of the answer. Brackets may be closed behind it. indents: the editor puts indentation
    right by itself, so that of an answer to a blank line does not count.
    """
    others = screen.rows[: screen.row] + screen.rows[screen.row + 1 :]
    if any(MARK.search(row) for row in others):
        return True
    line, shown = screen.rows[screen.row][: screen.column], grey(screen)
    if indents and not line.strip():
        possible = [answer(line[:at]).lstrip() for at in range(len(line) + 1)]
        return bool(shown) and not shown.lstrip().startswith(tuple(possible))
    return bool(shown) and not any(
        line[at:] == answered[: len(line) - at] and shown.startswith(answered[len(line) - at :])
        for at in range(len(line) + 1)
        for answered in [answer(line[:at])]
        if len(answered) > len(line) - at
    )


def check(screens: list[Screen], indents: bool = False) -> None:
    """Grey text came often, and never stayed where it does not belong. indents: see `stale`."""
    wrong = [screen for screen in screens if stale(screen, indents)]
    assert not wrong, f"{len(wrong)} of {len(screens)} are stale, the first: {wrong[0]}"
    assert sum(bool(grey(screen)) for screen in screens) > 10, "hardly any grey text was shown"
