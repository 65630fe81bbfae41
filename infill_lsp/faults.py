"""What is wrong around a fill: errors of its tree, and what its grammar lets pass.

Pure functions of a text and its language's name. Offsets are offsets in the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from tree_sitter import Node, Tree

from infill_lsp.documents import parse
from infill_lsp.excerpt import LOOK, excerpt
from infill_lsp.grammars import GRAMMARS, judged
from infill_lsp.statements import empty, misplaced, unreachable

_LEXEME = re.compile(r"\w+|[^\w\s]")


def errors(tree: Tree, start: int, end: int) -> int:
    """How many ERROR and MISSING nodes touch [start, end]."""
    return sum(1 for _ in _wrong_nodes(tree, start, end))


def _wrong_nodes(tree: Tree, start: int, end: int) -> Iterator[Node]:
    """The ERROR and MISSING nodes that touch [start, end]."""
    waiting = [tree.root_node]
    while waiting:
        node = waiting.pop()
        if node.end_byte < start or node.start_byte > end:
            continue
        if node.is_error or node.is_missing:
            yield node
        if node.has_error:
            waiting.extend(node.children)


def adds_errors(language: str, prefix: str, fill: str, suffix: str) -> bool:
    """Whether `fill` between `prefix` and `suffix` leaves more errors near it than the empty gap has.
    False where trees say little: where there is no grammar, and where lines that the gap does not
    touch have errors too (macros, dialects)."""
    found = _around(language, prefix, suffix)
    if found is None:
        return False
    before, after = found
    line = before.rfind("\n") + 1, len(before) + len(after.partition("\n")[0])
    filled, _ = _error_counts(language, before + fill + after, *line)
    if not filled:
        return False
    total, elsewhere = _error_counts(language, before + after, *line)
    return not elsewhere and filled > total


def leaves_errors(language: str, prefix: str, fill: str, suffix: str) -> bool:
    """Whether there are errors in the lines that `fill` touches, or elsewhere more than around the
    empty gap. False where there is no grammar."""
    found = _around(language, prefix, suffix)
    if found is None:
        return False
    before, after = found
    start, rest = before.rfind("\n") + 1, len(after.partition("\n")[0])
    total, elsewhere = _error_counts(
        language, before + fill + after, start, len(before + fill) + rest
    )
    if total <= elsewhere:
        _, unfilled = _error_counts(language, before + after, start, len(before) + rest)
        return elsewhere > unfilled
    return True


def faulty(
    language: str,
    prefix: str,
    fill: str,
    suffix: str,
    *,
    strict: bool = True,
    unfinished: bool = False,
) -> bool:
    """Whether `fill` should not stand there as it is: for its errors, or for what stands around it.

    strict: as `leaves_errors`; otherwise as `adds_errors`. unfinished: see `misfits`.
    """
    wrong = leaves_errors if strict else adds_errors
    where = language, prefix, fill, suffix
    return wrong(*where) or misfits(*where, unfinished=unfinished)


def misfits(
    language: str, prefix: str, fill: str, suffix: str, *, unfinished: bool = False
) -> bool:
    """Whether `fill` does not go with what stands around it although it parses: an indentation that
    the block before or after it does not have, a block left empty, statements that its own last one
    keeps from being reached. False where there is no grammar, and where the fill has errors of its
    own. unfinished: a fill of one line may begin a block that somebody is to go on with."""
    found = _around(language, prefix, suffix)
    if found is None:
        return False
    before, after = found
    tree = parse(language, before + fill + after)
    gap, end = len(before), len(before) + len(fill)
    start, stop = len(before.rstrip()), end + _following(before, fill, after)
    if tree is None or errors(tree, start, end + len(after) - len(after.lstrip())):
        return False
    row = GRAMMARS[language]
    last = len((before + fill).rstrip())
    begun = unfinished and "\n" not in fill.strip()
    return (
        _takes_away(language, before, fill, after, tree)
        or any(unreachable(tree, gap, end))
        or any(misplaced(tree, row, start, stop))
        or any(
            (at < last or not begun) and before[at:].count("\n") <= 1  # else it was left before
            for at in empty(tree, row, start, stop)
        )
    )


def _takes_away(language: str, before: str, fill: str, after: str, tree: Tree) -> bool:
    """Whether the statement after the gap, which stood in a function or class, stands in none of it with
    the fill (`tree`) before it, nor in one that the fill begins: `if __name__ == "__main__":` in a body."""
    space = len(after) - len(after.lstrip())
    unfilled = parse(language, before + after)
    if unfilled is None or space == len(after) or not fill.strip():
        return False
    at = len(before) + space
    if errors(unfilled, at, at + 1):
        return False
    scopes = GRAMMARS[language].scopes
    stood, stands = _around_it(unfilled, at, scopes), _around_it(tree, at + len(fill), scopes)
    return len(stands) < len(stood) and stood[: len(stands)] == stands


def _around_it(tree: Tree, offset: int, kinds: Collection[str]) -> list[int]:
    """Where the nodes of some kinds begin that hold the character at `offset`, outermost first."""
    node = tree.root_node.descendant_for_byte_range(offset, offset + 1)
    found = []
    while node is not None:
        if node.type in kinds and node.is_named and node.start_byte < offset:
            found.append(node.start_byte)
        node = node.parent
    return found[::-1]


def _following(before: str, fill: str, after: str) -> int:
    """How much of `after` leans on the fill: up to its first line that is not indented deeper than
    the fill's own first."""
    written = before[before.rfind("\n") + 1 :] + fill
    first = next((line for line in written.split("\n") if line.strip()), "")
    depth = len(first) - len(first.lstrip())
    at = len(after.partition("\n")[0]) + 1 if written.rpartition("\n")[2] else 0
    for line in after[at:].splitlines(keepends=True):
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent <= depth:
            return at + indent
        at += len(line)
    return len(after)


def syntax_errors(language: str, text: str) -> int:
    """How much of a text is wrong: ERROR and MISSING nodes, and indentation that only Python itself
    would complain of. 0 where there is no grammar."""
    tree = parse(language, text) if judged(language) else None
    if tree is None:
        return 0
    row, whole = GRAMMARS[language], (0, len(text))
    layout = sum(1 for _ in misplaced(tree, row, *whole)) + sum(1 for _ in empty(tree, row, *whole))
    return errors(tree, *whole) + layout


def error_span(language: str, prefix: str, fill: str, suffix: str) -> tuple[int, int] | None:
    """[start, end) of `fill`: whole words and marks, as few as hold all that does not parse in it.
    None where it parses, and where an error reaches into lines that the gap does not touch."""
    found = _around(language, prefix, suffix)
    if found is None:
        return None
    before, after = found
    gap, end = len(before), len(before) + len(fill)
    line = before.rfind("\n") + 1, end + len(after.partition("\n")[0])
    tree = parse(language, before + fill + after)
    if tree is None:
        return None
    nodes = list(_wrong_nodes(tree, 0, len(before + fill + after)))
    if any(node.start_byte < line[0] or node.end_byte > line[1] for node in nodes):
        return None
    wrong = [
        (max(node.start_byte, gap) - gap, min(node.end_byte, end) - gap)
        for node in nodes
        if node.end_byte > gap and node.start_byte < end
    ]
    if not wrong:
        return None
    first, last = min(start for start, _ in wrong), max(stop for _, stop in wrong)
    if first == last:  # something is missing here: what stands around it may be what is wrong
        first = fill.rfind("\n", 0, first) + 1
        last = fill.find("\n", last) % (len(fill) + 1)
    touched = [
        each for each in _LEXEME.finditer(fill) if each.end() > first and each.start() < last
    ]
    return (touched[0].start(), touched[-1].end()) if touched else None


def _around(language: str, prefix: str, suffix: str) -> tuple[str, str] | None:
    """What to parse before and after a gap; None where that would say little."""
    if not judged(language):
        return None
    near = prefix[-LOOK:]
    text = near + suffix[:LOOK]
    gap = len(near)
    spans = excerpt(text, gap, closing_words=bool(GRAMMARS[language].block_end))
    if spans is None:
        return None
    before = "".join(text[start : min(end, gap)] for start, end in spans if start <= gap)
    after = "".join(text[max(start, gap) : end] for start, end in spans if end > gap)
    return before, after


@lru_cache(maxsize=16)
def _error_counts(language: str, text: str, start: int, end: int) -> tuple[int, int]:
    """Errors in all of the text, and those that do not touch [start, end]."""
    tree = parse(language, text)
    if tree is None:
        return 0, 0
    total = errors(tree, 0, len(text))
    return total, total - errors(tree, start, end) if total else 0
