"""Where a fill should end: with its scope, before what follows anyway, before it repeats itself.

Pure functions of the fill and its `Context`, each returning a head of the fill. They are asked
after every step of the model too, so they look only at the fill and at what is near the gap.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice

from infill_lsp.blocks import surplus, tokens
from infill_lsp.brackets import PARTNER, around, before_inner_closer, damage, read, step
from infill_lsp.brackets import Surroundings as Surroundings
from infill_lsp.context import OPENERS, Context
from infill_lsp.grammars import GRAMMARS
from infill_lsp.indentation import leading

SIGNIFICANT = 4
"""Letters and digits that make a line more than a closer or a keyword such as `fi`."""
_FOLLOWING = 12
"""Lines after the gap that a fill is compared with."""
_GOES_ON = re.compile(
    r"(?:[)\]}]|(?:and|case|catch|default|elif|else|elsif|ensure|except|finally|or|rescue|then|when"
    r"|while)\b)"
)
_DOCUMENTS = re.compile(
    r"^[\s/*#]*(?:(?P<tag>[@\\](?:param|arg|argument|property|prop|tparam|throws|exception|returns?))\b"
    r"(?:\s*\{[^}]*\})?(?:\[\w+\])?\s*\[?(?P<name>[$\w.]*)"
    r"|:(?:param|type|raises?|returns?|rtype)\s*(?:[\w.]+\s+)?(?P<field>\w*):)"
)
_DEFINES = re.compile(r"\s*(?:@|(?:async|class|def|fn|func|function|private|public|pub|static)\b)")
_TAIL = re.compile(r"[)\];,]*")
_CLASSES = ("class", "impl", "interface", "trait", "module", "mod_", "namespace", "struct")


@lru_cache(maxsize=16)
def surroundings(context: Context) -> Surroundings:
    """Brackets and quotes around the gap (remembered, so asking again costs little)."""
    return around(
        context.prefix,
        context.suffix,
        context.language,
        in_string=context.in_string or context.interpolated,
        in_comment=context.in_comment,
    )


def scope_end(text: str, context: Context) -> str:
    """Cut where the gap's scope ends: at the bracket that closes one opened before the gap (kept
    only when nothing after the gap closes it), or at the line that leaves the gap's block. A model
    that reads what follows may leave its block on the way there."""
    near = surroundings(context)
    if context.ends_itself and leads_on(text, context) and damage(near, text) <= near.damage:
        return text
    return dedented(_closed(text, context), context)


def leads_on(text: str, context: Context) -> bool:
    """Whether the fill's last line and what stands below it go together: it is not indented less, or
    opens the block that follows."""
    if context.line_suffix.strip():
        return True  # the last line is only finished after the gap
    written = [line for line in (context.line_prefix + text).split("\n") if line.strip()]
    below = _lines_below(context)
    if not written or not below:
        return bool(written)
    return _width(written[-1]) >= _width(below[0]) or written[-1].rstrip().endswith(OPENERS)


def stands_out(text: str, context: Context) -> bool:
    """Whether the fill's last line is indented less than the line above the gap and the one below it, and
    neither opens a block nor goes on with one: it would end a block that goes on."""
    below = _lines_below(context)
    lines = [line for line in (context.line_prefix + text).split("\n") if line.strip()]
    above = context.prefix[: len(context.prefix) - len(context.line_prefix)].rstrip()
    if not (lines and below and above) or context.line_suffix.strip() or context.in_string:
        return False
    last = lines[-1].rstrip()
    if last.endswith(OPENERS) or _GOES_ON.match(last.lstrip()):
        return False
    if context.language in ("c", "cpp") and last.startswith("#"):
        return False
    return _width(last) < min(_width(above[above.rfind("\n") + 1 :]), _width(below[0]))


def _closed(text: str, context: Context) -> str:
    near = surroundings(context)
    stack = list(near.opened)
    floor = len(stack)
    for bracket, at in read(text, near.lexicon, near.inside).brackets:
        outer = bracket in ")]}" and PARTNER[bracket] not in stack[floor:]
        goes_on = bracket == "}" and _GOES_ON.match(text[at + 1 :].lstrip(" "))
        if outer and not goes_on and damage(near, text[: at + 1]) >= damage(near, text[:at]):
            return text[:at]
        step(stack, bracket)
        floor = min(floor, len(stack))
        if outer and not goes_on and bracket == "}":
            end = _TAIL.match(text, at + 1)
            return text[: end.end()] if end else text
    return text


def dedented(text: str, context: Context) -> str:
    """Cut before the first line that is indented less than the gap's block, or that begins the
    next definition after a finished one."""
    lines = text.split("\n")
    if len(lines) == 1:
        return text
    near = surroundings(context)
    literals = read(text, near.lexicon, near.inside).literals
    row = GRAMMARS.get(context.language)
    word = row.block_end if row else ""
    deepest = base = 0
    begun = header = blank = closed = False
    at = -1
    for number, line in enumerate(lines):
        at += 1
        start, at = at, at + len(line)
        if not number and context.line_prefix.strip():
            base = deepest = _width(context.indent)
            begun, header = True, True
            continue
        if not line.strip():
            blank = blank or begun
            continue
        if any(begin < start < end for begin, end in literals):
            continue
        width = _width(line) + (_width(context.line_prefix) if not number else 0)
        if not begun or (header and not deepest > base and width > base):
            begun, deepest, base = True, max(deepest, width), base if header else width
            continue
        if context.language in ("c", "cpp") and line.startswith("#"):
            continue
        continues = bool(_GOES_ON.match(line.lstrip())) or (bool(word) and line.strip() == word)
        sibling = width == base and not continues
        separate = blank and (not base or _definitions(lines, line, context))
        ended = sibling and deepest > base and (header or separate)
        # a bracket that has come through `_closed` is wanted, wherever it stands
        leaves = width < base and line.lstrip()[0] not in near.lexicon.brackets
        if leaves or closed or ended:
            return text[: max(start - 1, 0)]
        if (header and deepest > base and width == base) or width < base:
            closed = line.strip().strip(")]};,") in ("", word)
        deepest, blank = max(deepest, width), False
    return text


def _definitions(lines: list[str], line: str, context: Context) -> bool:
    """Whether definitions stand here one below the other: in a class, or going by their looks."""
    if context.scopes and context.scopes[-1].kind.startswith(_CLASSES):
        return True
    first = next(filter(str.strip, lines))
    return bool(_DEFINES.match(first) and _DEFINES.match(line))


def _width(line: str) -> int:
    """Columns of leading white space; a tab counts four."""
    return sum(4 if letter == "\t" else 1 for letter in line[: len(line) - len(line.lstrip())])


def before_following(text: str, context: Context) -> str:
    """Cut what stands after the gap anyway: the rest of its line, or the lines below."""
    text = before_inner_closer(text, surroundings(context))
    return _before_lines(_before_rest_of_line(text, context), context)


def within_blocks(text: str, context: Context) -> str:
    """Cut before the end of a block that the text below ends (see `blocks`). For a whole fill only: the
    start of one may leave open what its rest ends."""
    at = surplus(text, context.prefix, context.suffix)
    return text if at is None else text[:at]


def _before_rest_of_line(text: str, context: Context) -> str:
    rest = context.line_suffix.rstrip()
    if not rest.strip():
        return text
    near = surroundings(context)
    body = text.rstrip()
    for length in range(min(len(rest), len(body)), 0, -1):
        same = rest[:length]
        if not body.endswith(same):
            continue
        if not letters(same):
            if damage(near, body) > near.damage:
                return body[: len(body) - length]
        elif length == len(rest) or (letters(same) > 2 and not rest[length].isalnum()):
            return body[: len(body) - length]
    below = context.suffix.partition("\n")[2].lstrip("\n").partition("\n")[0].strip()
    joint = None
    if len(rest.strip()) + len(below) < len(text):  # else a long line would be compiled for nothing
        joint = re.search(
            rf"{re.escape(rest.strip())}[ \t]*\n\s*{re.escape(below)}[ \t]*(?:\n|\Z)", text
        )
    if joint is not None and below and damage(near, text[: joint.start()]) <= near.damage:
        return text[: joint.start()]  # it goes on as the text does
    if _one_closer_more(body, rest, near):
        return body[:-1]
    if (
        body.endswith((";", ","))
        and rest.lstrip(" )]" if body[-1] == ";" else " )]}")[:1] == body[-1]
    ):
        return body[:-1]
    if not context.ends_itself and letters(rest) > SIGNIFICANT and rest in text:
        return text[: text.index(rest)]
    return text


def _one_closer_more(body: str, rest: str, near: Surroundings) -> bool:
    """Whether the fill closes at its end what the rest of the line closes, where `brackets` does not
    look: `>`, brackets that the language does not always pair, and those in a string."""
    closer = rest[0]
    unseen = near.inside is not None or closer not in near.lexicon.brackets
    if closer not in ")]}>" or not body.endswith(closer) or not unseen:
        return False
    opener = PARTNER.get(closer, "<")
    closed = body.count(closer) - sum(map(body.count, ("->", "=>", ">="))) * (closer == ">")
    return closed > body.count(opener)


def _before_lines(text: str, context: Context) -> str:
    below = _lines_below(context)
    if not below:
        return text
    lines = text.split("\n")
    full = [context.line_prefix + lines[0], *lines[1:]]
    kept = [number for number, line in enumerate(full) if line.strip()]
    following = [line.strip() for line in below]
    for first, number in enumerate(kept):
        rest = [full[other].strip() for other in kept[first:]]
        count = min(len(rest), len(following))
        again = rest[0] == following[0] or _said_below(full[number], below, context)
        if not again or _ends_own_block(full[number], lines[:number]):
            continue
        if letters(full[number]) >= SIGNIFICANT and _stands_below(full[number], below[0], context):
            return "\n".join(lines[:number])
        if _said_below(full[number], below, context):
            return "\n".join(lines[:number])
        if rest[:count] != following[:count]:
            continue
        telling = sum(letters(line) >= SIGNIFICANT for line in rest[:count])
        if telling:
            if count == len(rest) or telling > 1:
                return "\n".join(lines[:number])
        elif count == len(rest) and _superfluous(text, full[: number + 1], below[0], context):
            return "\n".join(lines[:number])
    return text


def _ends_own_block(line: str, above: list[str]) -> bool:
    """Whether the line may end a block that the lines above it in the fill begin."""
    ends = any(not token.opens for token in tokens(line))
    return ends and surplus("\n".join((*above, line)), "", "") is None


def _said_below(line: str, below: list[str], context: Context) -> bool:
    """Whether a comment's line describes what a line below in that comment describes, too."""
    inside = context.in_comment or context.in_string
    subject = _subject(line) if inside else None
    return subject is not None and any(_subject(other) == subject for other in below)


def _subject(line: str) -> tuple[str, str] | None:
    """What a line of a doc comment is about, e.g. (`@param`, `width`)."""
    found = _DOCUMENTS.match(line)
    if found is None:
        return None
    return (found["tag"], found["name"] or "") if found["tag"] else (":", found["field"])


def _stands_below(line: str, below: str, context: Context) -> bool:
    """Whether a line is the next one below the gap again; in code that is at the same depth."""
    if context.in_comment:
        return line.strip() == below.strip()
    return line.rstrip() == below.rstrip() and not _GOES_ON.match(line.lstrip())


def _superfluous(text: str, lines: list[str], below: str, context: Context) -> bool:
    """Whether the last of these lines, which closes something and also stands below the gap, is one too
    many."""
    line = lines[-1]
    row = GRAMMARS.get(context.language)
    if row and row.block_end and line.strip() == row.block_end:
        return line.rstrip() == below.rstrip()
    near = surroundings(context)
    if row is None and not set(line) & set(near.lexicon.brackets):
        # a word such as `end`: what begins and ends a block stands in one column
        begun = any(other.strip() and leading(other) == leading(line) for other in lines[:-1])
        return line.rstrip() == below.rstrip() and not begun
    return damage(near, text) > near.damage


def _lines_below(context: Context) -> list[str]:
    """The next lines with something on them, the rest of the gap's line included."""
    rows = context.suffix[: 200 * _FOLLOWING].split("\n")
    return list(islice((row for row in rows if row.strip()), _FOLLOWING))


def letters(text: str) -> int:
    """How many letters and digits a text has."""
    return sum(map(str.isalnum, text))
