"""What a fill should begin with: the code below reads a name that nothing binds, so the gap must.

In finished code there is no such name; where a line was taken out that bound one, there is, and it says
how the line began (a test tries both on this project's own sources).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from engine import Draft, InfillRequest
from infill_lsp.bindings import BINDINGS, Bindings
from infill_lsp.context import Context
from infill_lsp.faults import faulty
from infill_lsp.layout import expected_indent
from infill_lsp.names import from_outside, unbound
from infill_lsp.postprocess import postprocess

_OUTERMOST = re.compile(r"^(?=[^\s#(){}\[\]])", re.MULTILINE)
"""Where a statement of the module begins."""
_BEGUN = re.compile(r"(?:[a-z]+ )*\w+")
_LEAVES = re.compile(r"\s*(?:return|raise|break|continue|pass)\b")
_FIRST_WORD = re.compile(r"^\s*(\w+)", re.MULTILINE)
_NEAR = 6_000
"""Characters above the gap whose style a declaration follows."""
_LONGEST = 50_000
"""Characters of a definition that are looked through: some milliseconds."""
_OTHERS, _OTHERS_LENGTH = 4, 10_000
"""So many other definitions, above and below each, are asked what a name is: some milliseconds, once."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a fill begins, and what it has to bind."""

    text: str
    """What the gap's line lacks of its indentation and of what binds a name: the name, behind a word
    that declares it or `for`. Empty where all of that stands there."""
    names: tuple[str, ...]
    """At least one."""
    language: str
    before: str
    """Of the outermost definition around the gap, what stands before the gap."""
    after: str
    """What stands behind the gap's line."""

    def enough_of(self, fill: str, context: Context) -> str | None:
        """The fewest lines of `fill` that bind all of `names` and go with what stands around them."""
        around = context.language, context.prefix
        end = 0
        while end >= 0:
            end = fill.find("\n", end + 1)
            head = fill if end < 0 else fill[:end]
            if not head.strip() or self._left_by(head):
                continue
            if not faulty(*around, head, context.suffix, strict=False):
                return head
        return None

    def _left_by(self, fill: str) -> bool:
        left = unbound(self.language, f"{self.before}{fill}\n", self.after)
        return left is None or any(name in self.names for name in left)


def beginning(context: Context) -> Beginning | None:
    """For a gap in a function on lines of its own, or behind the first letters of such a line; None:
    anything may stand there. Only in the languages of `bindings`."""
    row = BINDINGS.get(context.language)
    typed = context.line_prefix.lstrip()
    if row is None or not _on_own_lines(typed, row, context):
        return None
    line_start = len(context.prefix) - len(context.line_prefix)
    above, below = context.prefix[:line_start], context.suffix.partition("\n")[2]
    stands = context.line_prefix.removesuffix(typed)
    indent = stands or ("" if typed else _indent(above, below, context))
    deeper = len(_indent_of(below)) > len(indent)
    start, _ = _statement_at(above, len(above))
    if not indent or (deeper and not row.loop) or not row.definition.match(above, start):
        return None
    end = _OUTERMOST.search(below)
    before, after = above[start:], below[: end.start() if end else len(below)]
    if len(before) + len(after) > _LONGEST:
        return None
    missing = unbound(context.language, f"{before}{indent}{row.nothing[deeper]}\n", after)
    others = above[:start], below[len(after) :]
    outside = *others, *context.imports, before, *context.beside
    names = tuple(
        name
        for name in missing or ()
        if not any(_bound_in(each, name, row) for each in outside)
        and not any(_foreign_in(each, name, context.language) for each in others)
    )
    for line in _lines_binding(names, row, above, after, deeper):
        if line.startswith(typed):
            text = indent.removeprefix(stands) + line.removeprefix(typed)
            return Beginning(text, names, context.language, before + context.line_prefix, after)
    return None


def _on_own_lines(typed: str, row: Bindings, context: Context) -> bool:
    """Whether a statement may begin in the gap, or has begun with no more than `typed`, which may yet
    bind a name."""
    if context.in_string or context.in_comment or (typed and not _BEGUN.fullmatch(typed)):
        return False
    words = typed.rpartition(" ")[0]
    if words not in ("", row.kept, row.changed, row.older, row.loop.partition(" {")[0]):
        return False
    return not context.line_suffix.strip() or (not typed and context.own_lines)


def _lines_binding(
    names: tuple[str, ...], row: Bindings, above: str, after: str, deeper: bool
) -> Iterator[str]:
    """How a line may begin that binds the names, the likeliest first."""
    for name in sorted(names, key=lambda each: each in row.seldom_first):
        read = re.search(rf"(?<![\w.]){name}\b\s*(\.|[-+*/%|&^@]+=)?", after)
        how = read[1] if read else None
        if how == "." and name in row.modules:
            return
        if deeper and how in (None, "."):
            yield row.loop.format(name)
        elif not row.kept:
            yield name
        else:
            keyword = _keyword(name, row, above, after)
            yield f"{keyword} {name}" if len(names) == 1 else keyword + row.several


def _keyword(name: str, row: Bindings, above: str, after: str) -> str:
    """What declares a name, as the text above it has it."""
    used = Counter(_FIRST_WORD.findall(above, max(0, len(above) - _NEAR)))
    if row.older and used[row.older] > used[row.kept] + used[row.changed]:
        return row.older
    changes = rf"(?<!\w )(?<![\w.]){name}\s*(?:[-+*/%|&^]?=[^=>]|\+\+|--)|&mut {name}\b"
    if re.search(changes, after) or used[row.changed] > 2 * used[row.kept]:
        return row.changed
    return row.kept


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
        replace(each, texts=(enough(each.text) or "",), ended=True)
        for each in draft.fills
        if shown(each.text)
    )
    return replace(draft, fills=fills) if fills else None


def _bound_in(text: str, name: str, row: Bindings) -> bool:
    """Whether the name stands in `text` outside of definitions, or in their first lines: more than
    where it is bound."""
    for at in _places(text, name):
        start, _ = _statement_at(text, at)
        if not row.definition.match(text, start) or text.find("\n", start, at) < 0:
            return True
    return False


def _foreign_in(text: str, name: str, language: str) -> bool:
    """Whether another definition in `text` reads the name without binding it, too: then it comes from
    elsewhere, such as another file of the package."""
    places = (at for at in _places(text, name) if text[at - 1 : at] != ".")
    others = dict.fromkeys(_statement_at(text, at) for at in places)
    return any(
        end - start < _OTHERS_LENGTH and name in from_outside(language, text[start:end])
        for start, end in islice(others, _OTHERS)
    )


def _places(text: str, name: str) -> Iterator[int]:
    """Where the name stands in a text."""
    for found in re.finditer(rf"{name}\b", text):  # with `\b` before it 16 to 33 times as slow
        before = text[found.start() - 1 : found.start()]
        if not (before.isalnum() or before == "_"):
            yield found.start()


def _statement_at(text: str, offset: int) -> tuple[int, int]:
    """[start, end) of the module's statement around an offset."""
    starts = _statements(text)
    index = bisect_right(starts, offset)
    return starts[index - 1] if index else 0, starts[index] if index < len(starts) else len(text)


@lru_cache(maxsize=8)
def _statements(text: str) -> tuple[int, ...]:
    """Where the module's statements begin. Kept, for each place of each name is looked up in it, and
    the text above and below stays as it is while somebody types in a function."""
    return tuple(found.start() for found in _OUTERMOST.finditer(text))
