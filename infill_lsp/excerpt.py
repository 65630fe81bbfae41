"""Which parts of a big document to parse for a question about one place in it.

A whole reparse is quick while the code is well formed and takes half a second in a large file when
a bracket has just been opened, which is what typing is. So beyond a size only an excerpt is parsed:
the lines around the place, the header lines of the blocks that enclose it, and the lines that close
them. Knows text and indentation; parses nothing.
"""

from __future__ import annotations

import re

REACH = 2500
"""Characters of an excerpt on each side of the place, about 80 lines."""
LOOK = 100_000
"""How far away an enclosing block's header or end is looked for."""

Span = tuple[int, int]

_LINE = re.compile(r"^([ \t]*)(\S)", re.MULTILINE)
_CLOSERS = ")]}"
_BEGINS = (
    r"(?:@|#include|(?:abstract|async|class|const|def|enum|export|final|fn|from|func|function|impl"
    r"|import|int|interface|let|local|mod|module|namespace|package|private|pub|public|static|struct"
    r"|template|trait|type|use|using|var|void)\b)"
)
_TOP = re.compile("^" + _BEGINS, re.MULTILINE)
_ANY = re.compile(r"^[ \t]*" + _BEGINS, re.MULTILINE)


def safe_start(text: str, offset: int, reach: int = REACH) -> int:
    """A line start at most `reach` before `offset` that is likely outside strings and comments:
    the first line that begins something at the top level, else at any level, else the first."""
    floor = offset - reach
    if floor <= 0:
        return 0
    first = text.find("\n", floor, offset) + 1
    if not first:
        return offset - reach  # one very long line
    begins = _TOP.search(text, first, offset) or _ANY.search(text, first, offset)
    return begins.start() if begins else first


def begins_definition(line: str) -> bool:
    """Whether a line looks like the first one of something at the top level."""
    return _TOP.match(line) is not None


def excerpt(text: str, offset: int, *, closing_words: bool = False) -> list[Span] | None:
    """Ascending, separate spans of whole lines: enclosing headers, the lines around `offset`, and
    the lines that close those headers. None where lines are too long to cut between.

    `closing_words`: blocks end with a word such as `end`, so that a line at a header's own
    indentation may close it whatever it begins with.
    """
    start = safe_start(text, offset)
    end = text.find("\n", min(offset + REACH, len(text)))
    end = len(text) if end < 0 else end + 1
    if (start and text[start - 1] != "\n") or end - start > 4 * REACH:
        return None
    closers = _closers(text, start, end, closing_words)
    return [*reversed(_headers(text, start)), (start, end), *closers]


def _headers(text: str, start: int) -> list[Span]:
    """The lines that enclose `start`, innermost first."""
    found: list[Span] = []
    first = _LINE.search(text, start)
    depth = len(first[1]) if first else 0
    below = start
    span_end = None  # of the header whose beginning is looked for
    while depth or span_end:
        line = _last_shallow(text, below, depth if span_end else depth - 1)
        if line is None:
            break
        below, depth = line.start(), len(line[1])
        span_end = span_end or text.index("\n", below) + 1
        if line[2] in _CLOSERS or line[2] == "{":
            continue  # it began further up, at the same depth
        if span_end - below < REACH:
            found.append((below, span_end))
        span_end = None
    return found


def _last_shallow(text: str, end: int, depth: int) -> re.Match[str] | None:
    """The last line before `end` that is indented by at most `depth`, blank lines aside."""
    pattern = re.compile(rf"^([ \t]{{0,{depth}}})([^\s])", re.MULTILINE)
    for reach in (REACH, 4 * REACH, LOOK):
        found = list(pattern.finditer(text, max(end - reach, 0), end))
        if found:
            return found[-1]
    return None


def _closers(text: str, start: int, end: int, closing_words: bool) -> list[Span]:
    """The lines that close the blocks which are open at `end`, innermost first."""
    spans: list[Span] = []
    rows = text[max(start, end - 2000) : end].rstrip().rsplit("\n", 1)
    last = rows[-1]
    indent = len(last) - len(last.lstrip())
    after = _LINE.search(text, end)
    if last.endswith(("(", "[", "{")) or (after and len(after[1]) > indent):
        indent += 1  # a block begins here: its end stands at this line's own depth
    opening = r"[)\]}\w]" if closing_words else r"[)\]}]"
    limit = min(end + LOOK, len(text))
    if begins := _TOP.search(text, end, limit):
        limit = begins.start()  # whatever encloses the gap has ended before that
    while indent > 0:
        found = re.compile(rf"^([ \t]{{0,{indent - 1}}}){opening}", re.MULTILINE).search(
            text, end, limit
        )
        if found is None:
            break
        indent = len(found[1])
        line_end = text.find("\n", found.end())
        end = len(text) if line_end < 0 else line_end + 1
        spans.append((found.start(), end))
    return spans
