"""From what the model wrote to what is worth showing: ordered pure steps, `str -> str | None`.

Each step gets the text so far and the gap's `Context` and returns a text, or None to drop the
suggestion. Steps know nothing of models, editors or time. Where a fill ends is found in `cuts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from infill_lsp.brackets import PARTNER, closes_unopened, damage, is_code, open_brackets, read
from infill_lsp.context import Context
from infill_lsp.cuts import (
    Surroundings,
    before_following,
    scope_end,
    stands_out,
    surroundings,
    within_blocks,
)
from infill_lsp.faults import faulty
from infill_lsp.grammars import judged
from infill_lsp.indentation import leading
from infill_lsp.layout import aligned, joined
from infill_lsp.notices import notice_at
from infill_lsp.repetition import before_loop, repeats_above

Step = Callable[[str, Context], str | None]

_CLOSER = re.compile(r"[)\]}]|\"\"\"|'''|`|\*/|-->|</")
_CLOSES = re.compile(r"\s*[)\]}]+[;,]?\s*")
_IMPORT = re.compile(
    r"\s*(?:import\b|from\s+\S+\s+import\b|#\s*include\b|using\s+[\w.]+;|use\s+[\w:\\\\]+|require\b)"
)
_PATH_LINE = re.compile(
    r"^[ \t]*(?:#+|//+|--+|;+|%+|/\*+|<!--)[ \t]*(?P<path>(?:[\w.@-]+/)*[\w.@-]+\.[A-Za-z]\w{0,9})"
    r"[ \t]*(?:\*/|-->)?[ \t]*$",
    re.MULTILINE,
)
_LAST_WORD = re.compile(r"\w+\Z")
_REMAINS = re.compile(
    r"<\|\w+\|>|<(?:fim|file|repo|gh|issue|jupyter|empty)_\w+>|<reponame>|<filename>|\x00"
)
_OPENING_FENCE = re.compile(r"\A\s*```[\w+#.-]*(?:\n|\Z)")
_CLOSING_FENCE = re.compile(r"(?<=\S)\s*\n```")
_DANGLING = re.compile(r"(?:[-+*/%&|=<>.:!~^]|\b(?:and|or|not|in|is|if|else|return))\s*$")
_UNDECIDED = re.compile(r"[\n}][ \t]*\w*\Z")
_DUNDER = re.compile(r"^\s*__\w+__\s*=", re.MULTILINE)
NEAR_NOTICE = 400
"""Characters before the gap that may begin a notice."""
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
    return is_code(context.language) and not (context.in_string or context.in_comment)


def without_notices(text: str, context: Context) -> str:
    """Cut before the first line that says who owns or wrote something, or that is licence text, unless
    the workspace has that very line. In code only comments and strings say such things."""
    said, near = text, surroundings(context)
    if near.lexicon.brackets and not (context.in_comment or context.in_string):
        literals = read(text, near.lexicon, near.inside).literals
        if not literals and "__" not in text:
            return text
        said = _only(text, literals)
    at = notice_at(said, context.prefix[-NEAR_NOTICE:], context.notices)
    return text if at is None else text[:at]


def _only(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    """The text with spaces for everything but these spans, line breaks and names such as `__author__`."""
    said = [
        letter if letter == "\n" or kept else " "
        for letter, kept in zip(text, _inside(text, spans), strict=True)
    ]
    return "".join(said)


def _inside(text: str, spans: tuple[tuple[int, int], ...]) -> list[bool]:
    kept = [False] * len(text)
    for start, end in (*spans, *(found.span() for found in _DUNDER.finditer(text))):
        kept[start:end] = [True] * (end - start)
    return kept


def one_line(text: str, context: Context) -> str:
    """Cut at the first line break where the fill must end with its line."""
    return text.partition("\n")[0] if context.single_line else text


def without_frame(text: str, context: Context) -> str:
    """Cut before a line that names a file and says nothing else: what stands behind it is another file of
    the prompt, or the prompt's beginning again."""
    for found in _PATH_LINE.finditer(text):
        if (context.prefix + text[: found.start()]).strip():
            return text[: found.start()]
        if found["path"].rpartition("/")[2] != context.path.rpartition("/")[2]:
            return text[: found.start()]
    return text


def without_imports(text: str, context: Context) -> str | None:
    """Drop a list of imports where the body of a function was wanted."""
    lines = [line for line in text.split("\n") if line.strip()]
    imports = sum(1 for line in lines if _IMPORT.match(line))
    return None if context.scopes and imports > 1 and imports == len(lines) else text


def whole(text: str, context: Context) -> str | None:
    """Of a text that ran out of time: its lines that have their ends. A single line without its end only
    where a grammar takes it for whole, up to a last word that is a name around it."""
    if not context.cut_off:
        return text
    head, _, last = text.rpartition("\n")
    if head.strip():
        return text if _CLOSES.fullmatch(last) else head
    if context.in_comment or context.in_string or not judged(context.language):
        return None
    word = _LAST_WORD.search(text)
    known = word is None or re.search(rf"\b{word[0]}\b", context.prefix + context.suffix)
    line = text if known or word is None else text[: word.start()]
    for end in (len(line), line.rfind(";") + 1):
        start = closed(line[:end].rstrip(), context)
        where = context.language, context.prefix, start or "", context.suffix
        if start and not _DANGLING.search(start) and not faulty(*where, unfinished=True):
            return start
    return None


def within_scope(text: str, context: Context) -> str:
    """Cut where the gap's scope ends (see `cuts.scope_end`)."""
    return scope_end(text, context)


def without_following(text: str, context: Context) -> str:
    """Cut what stands after the gap anyway (see `cuts.before_following`)."""
    return within_blocks(before_following(text, context), context)


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
    """With closers for what the gap's own line has opened, where the fill ends that line, but for
    closers that stand there, and nothing else closes it."""
    body = text.rstrip()
    rest = context.line_suffix.strip(" )]};,:")
    if "\n" in body or rest or body.endswith(",") or _DANGLING.search(body):
        return text
    here = len(open_brackets(read(context.line_prefix, near.lexicon)))
    wrong, closed_text = damage(near, text), body
    inside = read(text, near.lexicon, near.inside).inside
    if inside is not None and not inside.comment and wrong:
        closed_text += inside.close
    for bracket in reversed(near.opened[len(near.opened) - here :]):
        if (after := damage(near, closed_text)) < wrong:
            text, wrong = closed_text, after
        closed_text += PARTNER[bracket]
    return closed_text if damage(near, closed_text) < wrong else text


def _completed(text: str, near: Surroundings, context: Context) -> str | None:
    """The text with closers for the brackets and the string that it opened. None where that would look
    foolish: in a half-done expression, or with more of the line to follow."""
    body = text.rstrip().removesuffix(",")
    if context.line_suffix.strip(" )]};,"):
        return None
    body = _unquoted(body, near, context)
    reading = read(body, near.lexicon, near.inside)
    if reading.inside is not None or _DANGLING.search(body):
        return None
    for bracket, at in reversed(open_brackets(reading)):
        line_end = body.find("\n", at)
        if line_end >= 0 and not body[at + 1 : line_end].strip():
            line = (context.line_prefix + body[:at]).rsplit("\n", 1)[-1]
            body += "\n" + line[: len(line) - len(line.lstrip(" \t"))]
        body += PARTNER[bracket]
    return body


def _unquoted(body: str, near: Surroundings, context: Context) -> str:
    """The text with an end for the string or comment that it leaves open; that of several lines ends on
    a line of its own, in the column where it begins."""
    reading = read(body, near.lexicon, near.inside)
    inside = reading.inside
    if inside is None or inside is near.inside or inside.close == "\n":
        return body
    start = reading.literals[-1][0]
    if not inside.lines and "\n" in body:
        return body  # its line is half
    if "\n" not in body[start:]:
        return body + (" " if inside.comment else "") + inside.close
    lines = body.split("\n")
    while lines and (not lines[-1].strip() or lines[-1].rstrip().endswith(":")):
        del lines[-1]  # a heading with nothing under it
    body = "\n".join(lines)
    if "\n" not in body[start:]:
        return body + (" " if inside.comment else "") + inside.close
    line = (context.line_prefix + body[:start]).rpartition("\n")[2]
    return f"{body}\n{leading(line)}{' ' if inside.comment else ''}{inside.close}"


def tidy(text: str, context: Context) -> str | None:
    """No white space at the end, except where the rest of the line leans on it; not nothing."""
    if not text.strip():
        return None
    rest = context.line_suffix
    if "\n" in text and _CLOSER.match(rest.lstrip()):
        opened = text.startswith("\n") or context.in_string or context.in_comment
        if "\n" not in text.strip() and not text.startswith("\n"):
            return text.rstrip()
        if opened or not text.rpartition("\n")[2].strip():
            return f"{text.rstrip()}\n{context.indent}"  # in the column of the line that opens it
    if context.ends_itself and rest.strip() and "\n" in text:
        return text  # the model has seen what its last line must lead to
    leaning = rest[:1].strip() != "" and rest[0] not in ")]};,"
    return text.rstrip("\n") if leaning and "\n" not in text else text.rstrip()


def leading_on(text: str, context: Context) -> str | None:
    """Cut back to a last line that does not stand out between its neighbours (see `cuts.stands_out`)."""
    while text.strip() and stands_out(text, context):
        text = text.rpartition("\n")[0].rstrip()
    return text or None


def parseable(text: str, context: Context) -> str | None:
    """Drop what adds syntax errors or does not go with the statements around it, unless a few lines
    less of it do. What stands before more of its line, or before what closes its own brackets, must
    leave no errors there: else it does not lead to it."""
    if context.in_comment or context.in_string:
        return text
    head, strict = text, context.goes_on or closes_unopened(surroundings(context))
    moved = aligned(text, context)
    heads = (text, moved) if moved is not None else (text,)
    for each in heads:
        where = context.language, context.prefix, each, context.suffix
        if not faulty(*where, strict=strict, unfinished=True):
            return each
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
    without_frame,
    without_imports,
    without_notices,
    whole,
    one_line,
    joined,
    within_scope,
    without_following,
    without_loops,
    closed,
    tidy,
    leading_on,
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
        if len(body) < len(unopened) or len(without_notices(body, context)) < len(body):
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
