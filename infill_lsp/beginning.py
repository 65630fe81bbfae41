"""What a fill should begin with: the code below reads a name that nothing binds, so the gap must.

In finished code there is no such name; where a line was taken out that bound one, there is, and it says
how the line began (a test tries both on this project's own sources).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from engine import Draft, InfillRequest
from infill_lsp.context import Context
from infill_lsp.faults import faulty
from infill_lsp.names import unbound
from infill_lsp.postprocess import expected_indent, postprocess

_OUTERMOST = re.compile(r"^(?=[^\s#)\]}])", re.MULTILINE)
"""Where a statement of the module begins."""
_DEFINITION = re.compile(r"@|(?:async\s+)?def\b|class\b")
_BEGUN = re.compile(r"(?:for )?\w+")
_LEAVES = re.compile(r"\s*(?:return|raise|break|continue|pass)\b")
_LONGEST = 50_000
"""Characters of a definition that are looked through: some milliseconds."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a fill begins, and what it has to bind."""

    text: str
    """What the gap's line lacks of its indentation and a name; behind `for` where deeper lines follow.
    Empty where all of that stands there."""
    names: tuple[str, ...]
    """At least one."""
    before: str
    """Of the outermost definition around the gap, what stands before the gap."""
    after: str
    """What stands behind the gap's line."""

    def enough_of(self, fill: str, context: Context) -> str | None:
        """The fewest lines of `fill` that bind all of `names` and go with what stands around them."""
        end = 0
        while end >= 0:
            end = fill.find("\n", end + 1)
            head = fill if end < 0 else fill[:end]
            if (
                head.strip()
                and not self._left_by(head)
                and not faulty(context.language, context.prefix, head, context.suffix, strict=False)
            ):
                return head
        return None

    def _left_by(self, fill: str) -> bool:
        left = unbound(f"{self.before}{fill}\n", self.after)
        return left is None or any(name in self.names for name in left)


def beginning(context: Context) -> Beginning | None:
    """For a gap in a Python function on lines of its own, or behind the first letters of such a line;
    None: anything may stand there."""
    if context.language != "python" or context.in_string or context.in_comment:
        return None
    typed = context.line_prefix.lstrip()
    begun = bool(typed)
    if (begun and not _BEGUN.fullmatch(typed)) or (
        context.line_suffix.strip() and (begun or not context.own_lines)
    ):
        return None
    line_start = len(context.prefix) - len(context.line_prefix)
    above, below = context.prefix[:line_start], context.suffix.partition("\n")[2]
    stands = context.line_prefix[: len(context.line_prefix) - len(typed)]
    indent = stands or ("" if begun else _indent(above, below, context))
    start = _outermost(above, len(above))
    if not indent or not _DEFINITION.match(above, start):
        return None
    end = _OUTERMOST.search(below)
    before, after = above[start:], below[: end.start() if end else len(below)]
    if len(before) + len(after) > _LONGEST:
        return None
    deeper = len(_indent_of(after)) > len(indent)
    missing = unbound(f"{before}{indent}{'if 0:' if deeper else 'pass'}\n", after)
    outside = above[:start], below[len(after) :], *context.imports, before
    names = tuple(
        name for name in missing or () if not any(_bound_in(each, name) for each in outside)
    )
    for first in names:
        read = re.search(rf"(?<![\w.]){first}\b\s*(\.|[-+*/%|&^@]+=)?", after)
        how = read[1] if read else None
        if how == "." and first in sys.stdlib_module_names:
            return None  # it is to be imported, and not here
        whole = f"for {first}" if deeper and how in (None, ".") else first
        if whole.startswith(typed):
            text = indent.removeprefix(stands) + whole.removeprefix(typed)
            return Beginning(text, names, before + context.line_prefix, after)
    return None


def _indent(above: str, below: str, context: Context) -> str:
    """Of a gap that begins with its line: as the lines around it have it, and not deeper than what
    reads the name."""
    indent = expected_indent(context)
    if _LEAVES.match(above.rstrip().rpartition("\n")[2]):
        indent = indent.removesuffix(context.indent_unit)
    return min(indent, _indent_of(below), key=len)


def _indent_of(text: str) -> str:
    """The indentation of its first line that is not blank."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    return line[: len(line) - len(line.lstrip())]


async def begun(
    start: Beginning,
    request: InfillRequest,
    context: Context,
    ask: Callable[[InfillRequest], Awaitable[Draft]],
) -> Draft | None:
    """A draft whose fills begin as they should, and end where nothing is missing any more; None: the
    model has none."""

    @lru_cache(maxsize=32)  # a text is asked about after each step of each variant
    def enough(lines: str) -> str | None:
        return start.enough_of(lines, context)

    def complete(text: str) -> bool:
        lines = text.rpartition("\n")[0]
        return bool(lines and enough(lines)) or bool(
            request.is_complete and request.is_complete(text)
        )

    def shown(text: str) -> str | None:
        head = enough(text)
        return head and (request.shown(head) if request.shown else postprocess(head, context))

    draft = await ask(
        replace(
            request,
            begins=start.text,
            is_complete=complete,
            shown=shown if request.shown else None,
        )
    )
    fills = tuple(
        replace(each, texts=(enough(each.text) or "",)) for each in draft.fills if shown(each.text)
    )
    return replace(draft, fills=fills) if fills else None


def _bound_in(text: str, name: str) -> bool:
    """Whether the name stands in `text` outside of definitions, or in their first lines: more than
    where it is bound."""
    for found in re.finditer(rf"\b{name}\b", text):
        start = _outermost(text, found.start())
        if not _DEFINITION.match(text, start) or text.find("\n", start, found.start()) < 0:
            return True
    return False


def _outermost(text: str, at: int) -> int:
    """Where the module's statement begins whose lines are around `at`, or end there."""
    start = text.rfind("\n", 0, at) + 1
    while start and not _OUTERMOST.match(text, start):
        start = text.rfind("\n", 0, start - 1) + 1
    return start
