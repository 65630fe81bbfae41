"""Fills that only repeat: the line or block above, themselves, or numbers that count on without an end.

Pure functions of the fill and its `Context`.
"""

from __future__ import annotations

import re
from itertools import pairwise

from infill_lsp.context import Context
from infill_lsp.cuts import SIGNIFICANT, letters

ABOVE, MOST_ABOVE = 2_000, 24
"""Characters, and lines, above the gap in which a fill's block is looked for."""
ENDLESS_COUNT, COUNTED = 5, 3
"""Steps by which numbers count on before that is endless, and how many items are kept of it."""

LONGEST_BETWEEN = 40
"""Characters between two of these numbers."""

_NUMBER = re.compile(r"(?<![\w.])\d{1,9}(?![\w.])|(?<=[A-Za-z_])\d{1,9}\b")
_SEPARATOR = re.compile(r"\s*[,;|\n]")
_ENDLESS = re.compile(r"\w*(\w)\1{40,}\Z")
"""A word that goes on and on with one letter or digit, for longer than an address of zeros."""


def repeats_above(text: str, context: Context) -> bool:
    """Whether the fill makes its line a copy of the one above, or is a block that stands above."""
    lines = [line.strip() for line in (context.line_prefix + text).split("\n") if line.strip()]
    if not lines or letters(lines[0]) < SIGNIFICANT:
        return False
    start = len(context.prefix) - len(context.line_prefix)
    rows = context.prefix[max(0, start - ABOVE) : start].split("\n")
    above = [row.strip() for row in rows if row.strip()]
    if above[-1:] == lines[:1]:
        return True
    size = len(lines)
    return size > 1 and any(
        above[at : at + size] == lines for at in range(max(0, len(above) - MOST_ABOVE), len(above))
    )


def before_loop(text: str, context: Context) -> str:
    """Cut at the second copy when lines, or the end of a line, come again and again; before a word
    that does not end."""
    first, *others = text.split("\n")
    whole = first if context.line_prefix.strip() else context.line_prefix + first
    lines = [whole, *others]
    for start in range(len(lines)):
        for period in range(1, min(4, (len(lines) - start) // 2) + 1):
            block = lines[start : start + period]
            if block == lines[start + period : start + 2 * period] and any(
                letters(line) >= SIGNIFICANT for line in block
            ):
                return "\n".join([first, *lines[1 : start + period]])
    body = text.rstrip()
    for period in range(2, 33):
        unit = body[-period:]
        if letters(unit) and body.endswith(unit * 4) and len(set(unit)) > 1:
            start = len(body) - 4 * period
            while start and body[start - 1] == body[start - 1 + period]:
                start -= 1
            return body[: start + period]
    endless = _ENDLESS.search(body)
    return body[: endless.start()] if endless else _before_counting(text)


def _before_counting(text: str) -> str:
    """Cut after `COUNTED` items when the text ends amid numbers, or lines with numbers, that only count."""
    items = list(_NUMBER.finditer(text))
    if items and not text[items[-1].end() :].strip(" ,\n"):
        for last in (len(items), len(items) - 1):  # of the very last number half may be missing
            run = 0
            while run + 2 <= last and _counts(text, items[last - run - 2 : last]):
                run += 1
            if run >= ENDLESS_COUNT:
                return text[: items[last - run - 2 + COUNTED].end()]
    lines = text.rstrip().split("\n")
    forms = [_NUMBER.sub("0", line.strip()) for line in lines]
    same = 1
    while same < len(lines) and forms[-same - 1] == forms[-1]:
        same += 1
    if same > ENDLESS_COUNT and _steps([_NUMBER.findall(line) for line in lines[-same:]]):
        return "\n".join(lines[: len(lines) - same + COUNTED])
    return text


def _counts(text: str, items: list[re.Match[str]]) -> bool:
    """Whether the first of these numbers is followed by its successor as the next are, by the same step and
    behind the same text."""
    first, second, *others = items
    between = text[first.end() : second.start()]
    if not _SEPARATOR.match(between) or len(between) > LONGEST_BETWEEN:
        return False
    step = int(second[0]) - int(first[0])
    if not others:
        return step != 0
    again = text[second.end() : others[0].start()].split() == between.split()
    return step != 0 and again and int(others[0][0]) - int(second[0]) == step


def _steps(rows: list[list[str]]) -> bool:
    """Whether numbers grow from row to row, each column by the same steps, and some column does."""
    columns = list(zip(*rows, strict=False))
    steps = [{int(after) - int(before) for before, after in pairwise(column)} for column in columns]
    return bool(steps) and all(len(each) == 1 for each in steps) and any({0} != s for s in steps)
