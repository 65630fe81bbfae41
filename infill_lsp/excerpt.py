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
    indent = len(first[1]) if first else 0
    if not indent:
        return found
    floor = max(start - LOOK, 0)
    before = [(m.start(), len(m[1]), m[2]) for m in _shallow(text, floor, start, indent)]
    span_end = None
    for at, depth, letter in reversed(before):
        if depth >= indent and span_end is None:
            continue
        if depth > indent:
            continue
        if span_end is None:
            span_end = text.index("\n", at) + 1
        indent = depth
        if letter in _CLOSERS or letter == "{":
            continue  # the header began further up, at the same depth
        if span_end - at < REACH:
            found.append((at, span_end))
        span_end = None
        if not depth:
            break
    return found


def _shallow(text: str, start: int, end: int, indent: int) -> list[re.Match[str]]:
    """Lines of [start, end) indented less than `indent`."""
    pattern = re.compile(rf"^([ \t]{{0,{indent - 1}}})([^\s])", re.MULTILINE)
    return list(pattern.finditer(text, start, end))


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
