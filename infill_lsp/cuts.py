"""Where a fill should end: with its scope, before what follows anyway, before it repeats itself.

Pure functions of the fill and its `Context`, each returning a head of the fill. They are asked
after every step of the model too, so they look only at the fill and at what is near the gap.
"""

from __future__ import annotations

import re
from itertools import islice

from infill_lsp.brackets import PARTNER, around, damage, read, step
from infill_lsp.brackets import Surroundings as Surroundings
from infill_lsp.context import OPENERS, Context
from infill_lsp.grammars import GRAMMARS

_SIGNIFICANT = 4
"""Letters and digits that make a line more than a closer or a keyword such as `fi`."""
_FOLLOWING = 12
"""Lines after the gap that a fill is compared with."""
_GOES_ON = re.compile(
    r"(?:[)\]}]|(?:and|case|catch|default|elif|else|elsif|ensure|except|finally|or|rescue|then|when"
    r"|while)\b)"
)
_ENDLESS = re.compile(r"\w*(\w)\1{40,}\Z")
"""A word that goes on and on with one letter or digit, for longer than an address of zeros."""
_DEFINES = re.compile(r"\s*(?:@|(?:async|class|def|fn|func|function|private|public|pub|static)\b)")
_TAIL = re.compile(r"[)\];,]*")
_CLASSES = ("class", "impl", "interface", "trait", "module", "mod_", "namespace", "struct")


def surroundings(context: Context) -> Surroundings:
    """Brackets and quotes around the gap (remembered, so asking again costs little)."""
    return around(
        context.prefix,
        context.suffix,
        context.language,
        in_string=context.in_string,
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
    return _before_lines(_before_rest_of_line(text, context), context)


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
        if not _letters(same):
            if damage(near, body) > near.damage:
                return body[: len(body) - length]
        elif length == len(rest) or (_letters(same) > 2 and not rest[length].isalnum()):
            return body[: len(body) - length]
    if _one_closer_more(body, rest, near):
        return body[:-1]
    if (
        body.endswith((";", ","))
        and rest.lstrip(" )]" if body[-1] == ";" else " )]}")[:1] == body[-1]
    ):
        return body[:-1]
    if not context.ends_itself and _letters(rest) > _SIGNIFICANT and rest in text:
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
        if rest[:count] != following[:count]:
            continue
        telling = sum(_letters(line) >= _SIGNIFICANT for line in rest[:count])
        if telling:
            if count == len(rest) or telling > 1:
                return "\n".join(lines[:number])
        elif count == len(rest) and _superfluous(text, full[number], below[0], context):
            return "\n".join(lines[:number])
    return text


def _superfluous(text: str, line: str, below: str, context: Context) -> bool:
    """Whether a closing line that also stands below the gap is one too many."""
    row = GRAMMARS.get(context.language)
    if row and row.block_end and line.strip() == row.block_end:
        return line.rstrip() == below.rstrip()
    near = surroundings(context)
    return damage(near, text) > near.damage


def _lines_below(context: Context) -> list[str]:
    """The next lines with something on them, the rest of the gap's line included."""
    rows = context.suffix[: 200 * _FOLLOWING].split("\n")
    return list(islice((row for row in rows if row.strip()), _FOLLOWING))


def repeats_above(text: str, context: Context) -> bool:
    """Whether the fill only makes its line a copy of the one above."""
    line = (context.line_prefix + text).strip()
    if "\n" in line or _letters(line) < _SIGNIFICANT:
        return False
    above = context.prefix[: len(context.prefix) - len(context.line_prefix)].rstrip()
    return above[above.rfind("\n") + 1 :].strip() == line


def before_loop(text: str, context: Context) -> str:
    """Cut at the second copy when lines, or the end of a line, come again and again; before a word
    that does not end."""
    first, *others = text.split("\n")
    whole = first if context.line_prefix.strip() else context.line_prefix + first
    lines = [whole, *others]
    for start in range(len(lines)):
        for period in range(1, min(4, (len(lines) - start) // 2) + 1):
            block = lines[start : start + period]
            if block == lines[start + period : start + 2 * period] and any(
                _letters(line) >= _SIGNIFICANT for line in block
            ):
                return "\n".join([first, *lines[1 : start + period]])
    body = text.rstrip()
    for period in range(2, 33):
        unit = body[-period:]
        if _letters(unit) and body.endswith(unit * 4) and len(set(unit)) > 1:
            start = len(body) - 4 * period
            while start and body[start - 1] == body[start - 1 + period]:
                start -= 1
            return body[: start + period]
    endless = _ENDLESS.search(body)
    return body[: endless.start()] if endless else text


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))
