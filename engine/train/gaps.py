"""Where a gap is cut into a text: places as programmers leave them. Knows text and no tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from engine.train.corpus import Spans

LONGEST = 900
"""Characters of a gap."""
MOST_LINES = 8
_WORD_START = re.compile(r"\b|(?<=[\s()\[\]{}.,=:'\"])")
_LINE = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class Gap:
    """[start, end) of a text, in code points."""

    start: int
    end: int

    @property
    def empty(self) -> bool:
        return self.start == self.end


def rest_of_line(text: str, spans: Spans, random: Random) -> Gap | None:
    """From somewhere in a line, mostly a word's beginning, to its end."""
    line = _some_line(text, random)
    if line is None:
        return None
    indent = len(line[0]) - len(line[0].lstrip())
    if random.random() < 0.25:
        start = random.randrange(line.start() + indent, line.end())
    else:
        found = _WORD_START.finditer(text, line.start() + indent, line.end())
        places = [at.start() for at in found if at.start() < line.end()]
        start = random.choice(places) if places else line.start() + indent
    return Gap(start, line.end())


def within_line(text: str, spans: Spans, random: Random) -> Gap | None:
    """Some words of a line, with others on both sides."""
    found = _some_line(text, random)
    if found is None:
        return None
    places = [at.start() for at in _WORD_START.finditer(text, found.start(), found.end())]
    places = [at for at in places if text[found.start() : at].strip() and at < found.end()]
    return Gap(*sorted(random.sample(places, 2))) if len(places) > 1 else None


def line(text: str, spans: Spans, random: Random) -> Gap | None:
    """A line without its indentation."""
    found = _some_line(text, random)
    return found and Gap(found.end() - len(found[0].lstrip()), found.end())


def indented_line(text: str, spans: Spans, random: Random) -> Gap | None:
    """A line and its indentation."""
    found = _some_line(text, random)
    return found and Gap(found.start(), found.end())


def whole_line(text: str, spans: Spans, random: Random) -> Gap | None:
    """A line, its indentation and its line break: the next line stands right behind the gap."""
    return _with_break(text, indented_line(text, spans, random))


def whole_lines(text: str, spans: Spans, random: Random) -> Gap | None:
    """Several of them."""
    found = lines(text, spans, random)
    if found is None:
        return None
    start = text.rfind("\n", 0, found.start) + 1
    return _with_break(text, Gap(start, found.end))


def lines(text: str, spans: Spans, random: Random) -> Gap | None:
    """Several lines, from the first one's beginning, or from within it."""
    first = _some_line(text, random)
    if first is None:
        return None
    end = first.end()
    for _ in range(random.randint(1, MOST_LINES - 1)):
        below = text.find("\n", end + 1)
        if below < 0:
            break
        end = below
    whole = text[first.start() : end].rstrip()
    start = first.start()
    if random.random() < 0.5:
        start += len(whole) - len(whole.lstrip())
    return Gap(start, first.start() + len(whole))


def anything(text: str, spans: Spans, random: Random) -> Gap | None:
    """From any character to any other: cuts through words and tokens."""
    length = round(2 ** random.uniform(0, 8))
    start = random.randrange(max(1, len(text) - length))
    return Gap(start, min(len(text), start + length))


def nothing(text: str, spans: Spans, random: Random) -> Gap | None:
    """The end of a line, where nothing is missing."""
    found = _some_line(text, random)
    return found and Gap(found.end(), found.end())


def _of_tree(kind: str) -> Callable[[str, Spans, Random], Gap | None]:
    def place(text: str, spans: Spans, random: Random) -> Gap | None:
        found = spans.get(kind)
        return Gap(*random.choice(found)) if found else None

    return place


KINDS: dict[str, Callable[[str, Spans, Random], Gap | None]] = {
    "rest_of_line": rest_of_line,
    "within_line": within_line,
    "line": line,
    "indented_line": indented_line,
    "lines": lines,
    "whole_line": whole_line,
    "whole_lines": whole_lines,
    "statement": _of_tree("statement"),
    "block": _of_tree("block"),
    "arguments": _of_tree("arguments"),
    "value": _of_tree("value"),
    "random": anything,
    "nothing": nothing,
}
"""By the names that `Recipe.gap_shares` uses."""


def choose(text: str, spans: Spans, shares: Mapping[str, float], random: Random) -> Gap | None:
    """A gap of a random kind; None where the text has no such place."""
    kind = random.choices(list(shares), list(shares.values()))[0]
    gap = KINDS[kind](text, spans, random)
    if gap is None or gap.end - gap.start > LONGEST or gap.start == 0:
        return None
    return None if gap.empty and kind != "nothing" else gap


def _with_break(text: str, gap: Gap | None) -> Gap | None:
    return Gap(gap.start, gap.end + 1) if gap and text[gap.end :].startswith("\n") else None


def gap_before(text: str, end: int, random: Random) -> Gap | None:
    """A gap that ends at `end`, a line's end: the rest of the line, the line, or several lines."""
    start = end
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        start = text.rfind("\n", 0, max(0, start - 1)) + 1
    within = text[start:end]
    if not within.strip():
        return None
    indent = len(within) - len(within.lstrip())
    start += random.choice((0, indent, random.randrange(indent, len(within))))
    return None if end - start > LONGEST or start == 0 else Gap(start, end)


def _some_line(text: str, random: Random) -> re.Match[str] | None:
    """A line that is not blank: lines are met as often as they are, wherever they stand."""
    for _ in range(8):
        start = text.rfind("\n", 0, random.randrange(len(text) + 1)) + 1
        found = _LINE.match(text, start)
        if found and found[0].strip():
            return found
    return None
