"""Brackets and quotes around a gap, by a scan that also understands unfinished code.

A tree says little about code that is being typed; here strings and comments are skipped by their
delimiters, brackets are matched on a stack, and `damage` says how badly a fill would leave them.
Knows the delimiters of each language and nothing else of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from infill_lsp.excerpt import REACH, safe_start
from infill_lsp.grammars import GRAMMARS, Delimited

PARTNER = {"(": ")", "[": "]", "{": "}", ")": "(", "]": "[", "}": "{"}
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
    """What the end of the gap's line is inside of when the gap stays empty."""
    closers: str
    """Brackets closed after the gap's line and not opened there."""
    damage: int
    """That of the empty fill."""


@cache
def lexicon_for(language: str) -> Lexicon:
    """Plain text, and a language we do not know, has neither brackets nor quotes."""
    row = GRAMMARS.get(language)
    if row is None:
        return Lexicon(re.compile(r"(?!)"), "", {}, {})
    parts = [_opening(delimiter.open) for delimiter in row.delimiters]
    if row.characters:
        parts.insert(0, _CHARACTER)
    if row.brackets:
        parts.append(f"[{re.escape(row.brackets)}]")
    closing = {}
    for delimiter in row.delimiters:
        ends = [re.escape(delimiter.close)]
        if not delimiter.comment:
            ends.insert(0, r"\\.")
            if not delimiter.lines:
                ends.append(r"\n")
        closing[delimiter.open.strip()] = re.compile("|".join(ends), re.DOTALL)
    return Lexicon(
        re.compile("|".join(parts), re.MULTILINE),
        row.brackets,
        {delimiter.open.strip(): delimiter for delimiter in row.delimiters},
        closing,
    )


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
        line = tail.rfind("\n") + 1
        shorter = read(tail[line:], lexicon)
        if (shorter.inside is not None) == literal:
            reading = shorter
    stack: list[str] = []
    for bracket, _ in reading.brackets:
        step(stack, bracket)
    line_suffix, _, rest = head.partition("\n")
    after = read(line_suffix, lexicon, reading.inside).inside
    closers, opened = [], list[str]()
    for bracket, _ in read(rest, lexicon, after if after and after.lines else None).brackets:
        if bracket in ")]}" and PARTNER[bracket] not in opened:
            closers.append(bracket)
        else:
            step(opened, bracket)
    empty = Surroundings(
        lexicon, "".join(stack), reading.inside, line_suffix, after, "".join(closers), 0
    )
    damage, left = _measure(empty, "")
    if cut:  # what closes them may stand beyond where we looked
        closers += [PARTNER[bracket] for bracket in reversed(left)]
        damage -= len(left)
    return Surroundings(
        lexicon, empty.opened, empty.inside, line_suffix, after, "".join(closers), damage
    )


def damage(surroundings: Surroundings, fill: str) -> int:
    """How many brackets and quotes are wrong near the gap with `fill` in it. A fill is harmless
    when this is at most `surroundings.damage`."""
    return _measure(surroundings, fill)[0]


def _measure(surroundings: Surroundings, fill: str) -> tuple[int, list[str]]:
    """The damage, and the brackets left open."""
    reading = read(fill + surroundings.line_suffix, surroundings.lexicon, surroundings.inside)
    total = reading.broken
    stack = list(surroundings.opened)
    for bracket, _ in reading.brackets:
        total += step(stack, bracket)
    for bracket in surroundings.closers:
        total += step(stack, bracket)
    if reading.inside is not None and not reading.inside.lines and not reading.inside.comment:
        total += 1
    lasting = reading.inside if reading.inside and reading.inside.lines else None
    before = surroundings.after if surroundings.after and surroundings.after.lines else None
    total += 2 * (lasting != before)
    return total + len(stack), stack
