"""Brackets and quotes around a gap, by a scan that also understands unfinished code.

A tree says little about code that is being typed; here strings and comments are skipped by their
delimiters, brackets are matched on a stack, and `damage` says how badly a fill would leave them.
Knows the delimiters of each language and nothing else of it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import NamedTuple

from infill_lsp.delimiters import brackets_of, delimiters_of
from infill_lsp.excerpt import REACH, safe_start
from infill_lsp.grammars import GRAMMARS, Delimited, judged

PARTNER = {"(": ")", "[": "]", "{": "}", ")": "(", "]": "[", "}": "{"}
_BRACKET = re.compile(r"[()\[\]{}]")
_PREFIX = re.compile(r"(?<![A-Za-z0-9_])(?:[fFtTsS][rRbB]?|[rR][fF]|\$@?|@\$|raw)\Z")
"""What stands before a string in which a brace begins code: Python, C#, Scala."""
_LINE = re.compile(r"^([ \t]*)(?!#|//)(\S)", re.MULTILINE)
_CHARACTER = r"'(?:\\[^\n]{1,8}?|[^\\'\n]{1,2})'"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What the scan of one language looks for."""

    token: re.Pattern[str]
    brackets: str
    delimiters: dict[str, Delimited]
    closing: dict[str, re.Pattern[str]]
    """By a delimiter's opening: its end, or an escaped character, or the line's end."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one scan saw."""

    brackets: tuple[tuple[str, int], ...]
    """Brackets in code, with their offsets."""
    literals: tuple[tuple[int, int], ...]
    """[start, end) of strings and comments."""
    inside: Delimited | None
    """What the text's end is inside of."""
    broken: int
    """Strings that their line's end left open."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Brackets and quotes on both sides of a gap."""

    lexicon: Lexicon
    opened: str
    """Brackets opened before the gap and not closed before it, outermost first."""
    inside: Delimited | None
    """The string or comment that the gap is in."""
    line_suffix: str
    after: Delimited | None
    """What the end of the gap's line should be inside of, going by what follows."""
    closers: str
    """Brackets closed after the gap's line for what is open at its end."""
    damage: int
    """That of the empty fill."""
    inner: str = ""
    """Brackets opened in the string that the gap is in and not closed before the gap, e.g. by `${`."""
    interpolates: bool = False
    """The innermost of them begins code: an interpolation."""


class _Line(NamedTuple):
    """A line below the gap, up to its first character."""

    start: int
    end: int
    depth: int
    closes: bool
    """It begins with a closing bracket."""


@cache
def lexicon_for(language: str) -> Lexicon:
    """Plain text, and a language that nobody here knows, has neither brackets nor quotes."""
    row = GRAMMARS.get(language)
    delimiters = row.delimiters if row else delimiters_of(language)
    brackets = row.brackets if row else brackets_of(language)
    parts = [_opening(delimiter.open) for delimiter in delimiters]
    if row is not None and row.characters:
        parts.insert(0, _CHARACTER)
    if brackets:
        parts.append(f"[{re.escape(brackets)}]")
    closing = {}
    for delimiter in delimiters:
        ends = [re.escape(delimiter.close)]
        if not delimiter.comment:
            ends.insert(0, r"\\.")
            if not delimiter.lines:
                ends.append(r"\n")
        closing[delimiter.open.strip()] = re.compile("|".join(ends), re.DOTALL)
    return Lexicon(
        re.compile("|".join(parts) or r"(?!)", re.MULTILINE),
        brackets,
        {delimiter.open.strip(): delimiter for delimiter in delimiters},
        closing,
    )


def is_code(language: str) -> bool:
    """Whether texts in this language have blocks and brackets that mean something."""
    return judged(language) or bool(lexicon_for(language).brackets)


def _opening(opening: str) -> str:
    if opening.startswith(" "):  # only after white space, or at a line's start
        return rf"(?:^|(?<=\s)){re.escape(opening.strip())}"
    return re.escape(opening)


def read(text: str, lexicon: Lexicon, inside: Delimited | None = None) -> Reading:
    """Scan `text`, which begins inside of `inside`."""
    brackets: list[tuple[str, int]] = []
    literals: list[tuple[int, int]] = []
    broken = 0
    start = at = 0
    while True:
        if inside is not None:
            end = _end_of(text, lexicon.closing[inside.open.strip()], at)
            if end is None:
                literals.append((start, len(text)))
                return Reading(tuple(brackets), tuple(literals), inside, broken)
            broken += not inside.comment and not text.endswith(inside.close, at, end)
            literals.append((start, end))
            at, inside = end, None
        found = lexicon.token.search(text, at)
        if found is None:
            return Reading(tuple(brackets), tuple(literals), None, broken)
        start, at = found.span()
        token = found[0]
        if token in lexicon.delimiters:
            inside = lexicon.delimiters[token]
        elif token in PARTNER:
            brackets.append((token, start))


def _end_of(text: str, closing: re.Pattern[str], at: int) -> int | None:
    while found := closing.search(text, at):
        if found[0][0] != "\\":
            return found.end()
        at = found.end()
    return None


def step(stack: list[str], bracket: str) -> int:
    """Put one bracket on the stack or take its partner off. Returns the damage: brackets left open
    in between, or 2 when it closes nothing: worse than one left open, which may still be closed."""
    if bracket in "([{":
        stack.append(bracket)
        return 0
    partner = PARTNER[bracket]
    if partner not in stack:
        return 2
    skipped = 0
    while stack.pop() != partner:
        skipped += 1
    return skipped


def closes_unopened(near: Surroundings) -> bool:
    """Whether the rest of the gap's line closes a bracket that nothing before the gap opens."""
    stack = list(near.opened)
    for bracket, _ in read(near.line_suffix, near.lexicon, near.inside).brackets:
        if bracket in ")]}" and PARTNER[bracket] not in stack:
            return True
        step(stack, bracket)
    return False


def balanced(text: str, language: str) -> bool:
    """Whether every bracket and quote in `text` is closed, in order."""
    lexicon = lexicon_for(language)
    reading = read(text, lexicon)
    stack: list[str] = []
    damage = sum(step(stack, bracket) for bracket, _ in reading.brackets)
    unfinished = reading.inside is not None and reading.inside.close != "\n"
    return not (damage or stack or reading.broken or unfinished)


def around(
    prefix: str, suffix: str, language: str, *, in_string: bool = False, in_comment: bool = False
) -> Surroundings:
    """The surroundings of a gap between `prefix` and `suffix`; looks only at what is near it.

    in_string, in_comment: what a tree says, which is believed where the scan says otherwise.
    """
    tail = prefix[safe_start(prefix, len(prefix)) :]
    cut = len(suffix) > REACH
    return _around(tail, suffix[:REACH], cut, language, in_string or in_comment)


@lru_cache(maxsize=16)
def _around(tail: str, head: str, cut: bool, language: str, literal: bool) -> Surroundings:
    lexicon = lexicon_for(language)
    reading = read(tail, lexicon)
    if (reading.inside is not None) != literal:
        shorter = tail[tail.rfind("\n") + 1 :]
        again = read(shorter, lexicon)
        if (again.inside is not None) == literal:
            tail, reading = shorter, again
    line_suffix, _, rest = head.partition("\n")
    after = _expected(rest, lexicon, read(line_suffix, lexicon, reading.inside).inside)
    opened = open_brackets(reading)
    inner, interpolates = _inner(tail, reading)
    near = Surroundings(
        lexicon,
        "".join(bracket for bracket, _ in opened),
        reading.inside,
        line_suffix,
        after,
        _closers(tail, opened, rest, read(rest, lexicon, after), cut),
        0,
        inner,
        interpolates,
    )
    return replace(near, damage=damage(near, ""))


def _inner(tail: str, reading: Reading) -> tuple[str, bool]:
    """The brackets that are open in the string at a text's end, and whether the last begins code."""
    if reading.inside is None or reading.inside.comment:
        return "", False
    start = reading.literals[-1][0]
    found = [(each[0], each.start()) for each in _BRACKET.finditer(tail, start)]
    left = open_brackets(Reading(tuple(found), (), None, 0))
    if not left:
        return "", False
    at = left[-1][1]
    marked = tail[at - 1] in "$#\\@" or tail[at + 1 : at + 2] == "$"
    prefixed = _PREFIX.search(tail, max(0, start - 3), start) is not None
    return "".join(bracket for bracket, _ in left), marked or (prefixed and tail[at] == "{")


def before_inner_closer(text: str, near: Surroundings) -> str:
    """Cut before what closes an interpolation that the rest of the gap's line closes."""
    if not near.inner:
        return text
    rest = list[str]()
    closed = any(_unopened(found[0], rest) for found in _BRACKET.finditer(near.line_suffix))
    if not closed:
        return text
    stack = list[str]()
    for found in _BRACKET.finditer(text):
        if _unopened(found[0], stack):
            return text[: found.start()]
    return text


def _unopened(bracket: str, stack: list[str]) -> bool:
    """Take one more bracket; whether it closes what `stack` did not open."""
    if bracket in "([{":
        stack.append(bracket)
    elif PARTNER[bracket] in stack:
        step(stack, bracket)
        return False
    return bracket not in "([{"


def open_brackets(reading: Reading) -> list[tuple[str, int]]:
    """The brackets that a text leaves open, outermost first, with their offsets."""
    stack: list[str] = []
    places: list[int] = []
    for bracket, at in reading.brackets:
        step(stack, bracket)
        places = [*places, at][: len(stack)]
    return list(zip(stack, places, strict=True))


def _expected(rest: str, lexicon: Lexicon, after: Delimited | None) -> Delimited | None:
    """What the gap's line should end inside of, going by what follows: an open comment is closed
    there only if no other begins before; quotes there come in pairs."""
    after = after if after and after.lines else None
    if after and after.comment:
        close = rest.find(after.close)
        return after if close >= 0 and not 0 <= rest.find(after.open) < close else None
    long_strings = [d for d in lexicon.delimiters.values() if d.lines and not d.comment]
    for candidate in (after, None, *long_strings):
        if read(rest, lexicon, candidate).inside is None:
            return candidate
    return after


def _closers(
    tail: str, opened: list[tuple[str, int]], rest: str, reading: Reading, cut: bool
) -> str:
    """The brackets that `rest` closes for what is open before it. One that the indentation shows
    to be still open is left out, and so may be closed by a fill; one whose end is out of sight is
    taken for closed."""
    lines = [
        _Line(found.start(), found.end(), len(found[1]), found[2] in ")]}")
        for found in _LINE.finditer(rest)
        if not _within(reading.literals, found.start())
    ]
    limits = [_limit(tail, at, rest, lines) for _, at in opened]
    depths = [_depth(tail, at) for _, at in opened]
    gap = _depth(tail, len(tail))
    headless = _headless(lines, gap)
    stack = [bracket for bracket, _ in opened]
    inner: list[str] = []
    closers: list[str] = []
    for bracket, at in reading.brackets:
        if bracket in "([{" or PARTNER[bracket] in inner:
            step(inner, bracket)
            continue
        while stack and limits[len(stack) - 1] <= at:
            stack.pop()
        begun_here = at == headless and not (stack and depths[len(stack) - 1] == gap)
        if PARTNER[bracket] in stack and not begun_here:
            step(stack, bracket)
        closers.append(bracket)
    if cut:
        beyond = [b for b, limit in zip(stack, limits, strict=False) if limit > len(rest)]
        closers += [PARTNER[bracket] for bracket in reversed(beyond)]
    return "".join(closers)


def _within(literals: tuple[tuple[int, int], ...], at: int) -> bool:
    """Whether `at` is inside one of these spans, which are in order."""
    before = bisect_left(literals, (at,)) - 1
    return before >= 0 and at < literals[before][1]


def _headless(lines: list[_Line], gap: int) -> int | None:
    """Where a block ends that lies below a gap at depth `gap` and that the gap's line should
    begin; None where no block lies there."""
    if not lines or lines[0].depth <= gap:
        return None
    return next((line.end - 1 for line in lines if line.closes and line.depth == gap), None)


def _limit(tail: str, at: int, rest: str, lines: list[_Line]) -> int:
    """Offset in `rest` from which nothing can close the bracket at `at`, going by indentation;
    beyond the end of `rest` where indentation does not tell."""
    depth = _depth(tail, at)
    inside = _LINE.finditer(tail, tail.find("\n", at) + 1 or len(tail))
    if any(len(found[1]) <= depth for found in inside):
        return len(rest) + 1  # lines of this block are not indented
    for line in lines:
        if line.depth <= depth:
            return line.end if line.depth == depth and line.closes else line.start
    return len(rest) + 1


def _depth(text: str, at: int) -> int:
    """Indentation of the line around `at`, in characters."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return len(line) - len(line.lstrip(" \t"))


def damage(surroundings: Surroundings, fill: str) -> int:
    """How many brackets and quotes are wrong near the gap with `fill` in it. A fill is harmless
    when this is at most `surroundings.damage`."""
    near = surroundings
    reading = read(fill + near.line_suffix, near.lexicon, near.inside)
    total = reading.broken
    stack = list(near.opened)
    for bracket, _ in reading.brackets:
        total += step(stack, bracket)
    for bracket in near.closers:
        total += step(stack, bracket)
    inside = reading.inside
    if inside is not None and not inside.lines:
        total += not inside.comment
        inside = None
    return total + 2 * (inside != near.after) + len(stack)
