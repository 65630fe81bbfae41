"""From what the model wrote to what is worth showing: ordered pure steps, `str -> str | None`.

Each step gets the text so far and the gap's `Context` and returns a text, or None to drop the
suggestion. Steps know nothing of models, editors or time. Where a fill ends is found in `cuts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from infill_lsp.brackets import PARTNER, closes_unopened, damage, open_brackets, read
from infill_lsp.context import OPENERS, Context
from infill_lsp.cuts import (
    Surroundings,
    before_following,
    before_loop,
    repeats_above,
    scope_end,
    surroundings,
)
from infill_lsp.faults import faulty
from infill_lsp.grammars import GRAMMARS

Step = Callable[[str, Context], str | None]

_REMAINS = re.compile(
    r"<\|\w+\|>|<(?:fim|file|repo|gh|issue|jupyter|empty)_\w+>|<reponame>|<filename>|\x00"
)
_OPENING_FENCE = re.compile(r"\A\s*```[\w+#.-]*(?:\n|\Z)")
_CLOSING_FENCE = re.compile(r"(?<=\S)\s*\n```")
_DANGLING = re.compile(r"(?:[-+*/%&|=<>.:!~^]|\b(?:and|or|not|in|is|if|else|return))\s*$")
_UNDECIDED = re.compile(r"[\n}][ \t]*\w*\Z")
_TRIMMED = 3
"""Last lines that may be cut away to make a fill parse."""


def without_remains(text: str, context: Context) -> str:
    """Cut at the first special token that came through as text; `\\n` ends every line."""
    found = _REMAINS.search(text)
    text = text[: found.start()] if found else text
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\ufffd")


def without_fence(text: str, context: Context) -> str:
    """Take away the fence that a chat model puts around code, and all that it says behind it. Not
    where Markdown may be meant."""
    text = _unopened(text, context)
    closing = _CLOSING_FENCE.search(text) if _fenceless(context) else None
    return text[: closing.start()] if closing else text


def _unopened(text: str, context: Context) -> str:
    """Without the fence's first line."""
    return _OPENING_FENCE.sub("", text) if _fenceless(context) else text


def _fenceless(context: Context) -> bool:
    return context.language in GRAMMARS and not (context.in_string or context.in_comment)


def one_line(text: str, context: Context) -> str:
    """Cut at the first line break where the fill must end with its line."""
    return text.partition("\n")[0] if context.single_line else text


def joined(text: str, context: Context) -> str:
    """Take away white space that stands before the gap already, and indent as the file does."""
    first, *others = text.split("\n")
    blank = not context.line_prefix.strip()
    if not blank and context.line_prefix[-1:] in " \t" and not context.in_string:
        first = first.lstrip(" \t")
    elif blank and first.strip() and first[0] in " \t" and context.line_prefix:
        bare = first.lstrip(" \t")
        wanted = expected_indent(context)
        if len(context.line_prefix + first) - len(bare) > len(wanted):
            first = wanted[len(context.line_prefix) :] + bare
    return "\n".join([first, *(_reindented(line, context) for line in others)])


def expected_indent(context: Context) -> str:
    """The indentation of the line above, one level deeper after a block's beginning."""
    above = context.prefix[: len(context.prefix) - len(context.line_prefix)].rstrip()
    line = above[above.rfind("\n") + 1 :]
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    return indent + context.indent_unit if line.endswith(OPENERS) else indent


def _reindented(line: str, context: Context) -> str:
    """With tabs for spaces or spaces for tabs, where the gap's own line does not say otherwise."""
    body = line.lstrip(" \t")
    space = line[: len(line) - len(body)]
    if context.indent_unit == "\t":
        keep = " " in context.indent or "\t" in space  # spaces after tabs only align
        return line if keep else space.replace(" " * 4, "\t") + body
    return line if "\t" in context.indent else space.replace("\t", context.indent_unit) + body


def within_scope(text: str, context: Context) -> str:
    """Cut where the gap's scope ends (see `cuts.scope_end`)."""
    return scope_end(text, context)


def without_following(text: str, context: Context) -> str:
    """Cut what stands after the gap anyway (see `cuts.before_following`)."""
    return before_following(text, context)


def without_loops(text: str, context: Context) -> str | None:
    """Cut a text that repeats itself at its second copy; drop a copy of the line above."""
    text = before_loop(text, context)
    return None if repeats_above(text, context) else text


def closed(text: str, context: Context) -> str | None:
    """Leave no bracket and no quote wrong: add missing closers where the line ends with the fill,
    else cut back to the longest head that harms nothing."""
    near = surroundings(context)
    if damage(near, text) <= near.damage:
        return _line_closed(text, near, context)
    completed = _completed(text, near, context)
    if completed is not None and damage(near, completed) <= near.damage:
        return completed
    reading = read(text, near.lexicon, near.inside)
    lines = [at for at, letter in enumerate(text) if letter == "\n"]
    first = lines[0] if lines else len(text)
    tokens = [at for _, at in reading.brackets] + [start for start, _ in reading.literals]
    for at in (*reversed(lines), *sorted((at for at in tokens if at < first), reverse=True)):
        head = text[:at]
        if head.strip() and damage(near, head) <= near.damage:
            return head
    return None


def _line_closed(text: str, near: Surroundings, context: Context) -> str:
    """With closers for what the gap's own line has opened, where the fill ends that line and nothing
    below closes it."""
    body = text.rstrip()
    if "\n" in body or context.line_suffix.strip() or body.endswith(",") or _DANGLING.search(body):
        return text
    here = len(open_brackets(read(context.line_prefix, near.lexicon)))
    wrong, closed_text = damage(near, text), body
    for bracket in reversed(near.opened[len(near.opened) - here :]):
        closed_text += PARTNER[bracket]
        if damage(near, closed_text) >= wrong:
            return text
        wrong = damage(near, closed_text)
        text = closed_text
    return text


def _completed(text: str, near: Surroundings, context: Context) -> str | None:
    """The text with closers for the brackets it opened. None where that would look foolish: in a
    half-done expression, or with more of the line to follow."""
    body = text.rstrip().removesuffix(",")
    reading = read(body, near.lexicon, near.inside)
    if reading.inside is not None or _DANGLING.search(body) or context.line_suffix.strip(" )]};,"):
        return None
    for bracket, at in reversed(open_brackets(reading)):
        line_end = body.find("\n", at)
        if line_end >= 0 and not body[at + 1 : line_end].strip():
            line = (context.line_prefix + body[:at]).rsplit("\n", 1)[-1]
            body += "\n" + line[: len(line) - len(line.lstrip(" \t"))]
        body += PARTNER[bracket]
    return body


def tidy(text: str, context: Context) -> str | None:
    """No white space at the end, except where the rest of the line leans on it; not nothing."""
    if not text.strip():
        return None
    rest = context.line_suffix
    if context.ends_itself and rest.strip() and "\n" in text:
        return text  # the model has seen what its last line must lead to
    leaning = rest[:1].strip() != "" and rest[0] not in ")]};,"
    return text.rstrip("\n") if leaning and "\n" not in text else text.rstrip()


def parseable(text: str, context: Context) -> str | None:
    """Drop what adds syntax errors or does not go with the statements around it, unless a few lines
    less of it do. What stands before more of its line, or before what closes its own brackets, must
    leave no errors there: else it does not lead to it."""
    if context.in_comment or context.in_string:
        return text
    head, strict = text, context.goes_on or closes_unopened(surroundings(context))
    for _ in range(_TRIMMED):
        where = context.language, context.prefix, head, context.suffix
        if not faulty(*where, strict=strict, unfinished=True):
            return head
        rest = before_following(head.rpartition("\n")[0].rstrip(), context)
        trimmed = closed(rest, context)
        if not trimmed or not trimmed.strip() or trimmed == head:
            return None
        head = trimmed
    return None


def native_newlines(text: str, context: Context) -> str:
    """End lines as the document does."""
    return text.replace("\n", context.newline)


def on_own_lines(text: str, context: Context) -> str:
    """End with a line break where the next line begins right behind the gap."""
    return text + context.newline if context.own_lines else text


STEPS: tuple[Step, ...] = (
    without_remains,
    without_fence,
    one_line,
    joined,
    within_scope,
    without_following,
    without_loops,
    closed,
    tidy,
    parseable,
    native_newlines,
    on_own_lines,
)
"""In the order in which they run."""


def postprocess(text: str, context: Context) -> str | None:
    """Run all steps. The model's line breaks are `\\n`; the result's are the document's. None when
    nothing worth showing is left."""
    return _run(STEPS, text, context)


def shaped(text: str, context: Context) -> str | None:
    """What `postprocess` would show if it did not ask whether it parses; `\\n` ends its lines."""
    return _run(STEPS[: STEPS.index(parseable)], text, context)


def _run(steps: Sequence[Step], text: str, context: Context) -> str | None:
    for step_ in steps:
        result = step_(text, context)
        if result is None:
            return None
        text = result
    return text


def is_complete(context: Context) -> Callable[[str], bool]:
    """A pure, quick question for the engine: true when the text settled so far already runs past
    what the steps keep, so that more of it would be cut away."""

    def complete(text: str) -> bool:
        body = without_remains(text, context)
        if len(body) < len(text.replace("\r\n", "\n").rstrip("\ufffd")):
            return True
        unopened, body = _unopened(body, context), without_fence(body, context)
        if len(body) < len(unopened):
            return True
        if context.single_line and "\n" in body:
            return True
        # what is only a word so far may still become `end`, and a brace `} else {`
        settled = _UNDECIDED.sub("", body).rstrip()
        whole = body.rpartition("\n")[0]
        ended = scope_end(settled, context)
        return (
            (not context.ends_itself and len(ended.rstrip()) < len(settled))
            or len(before_loop(body, context).rstrip()) < len(body.rstrip())
            or len(before_following(whole, context).rstrip()) < len(whole.rstrip())
        )

    return complete
