"""Where the lines of a fill begin: in the columns that the block around the gap has, and with its tabs
or spaces. Pure functions of the fill and its `Context`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from infill_lsp.brackets import is_code
from infill_lsp.context import OPENERS, Context
from infill_lsp.grammars import GRAMMARS
from infill_lsp.indentation import leading, levels, width

_OPENS = re.compile(r"(?:^|\W)(?:do|then|begin|repeat)$|^\s*else$|\|$")
_LEAVES = re.compile(
    r"(?:[)\]}]|</|(?:and|case|catch|default|elif|else|elsif|end\w*|ensure|except|finally|or|rescue"
    r"|then|when|private|public|protected|fi|done|esac)\b)"
)
"""What may begin a line that stands less deep than the block it ends or goes on with."""
_LABEL = re.compile(r"^\s*(?:case\b.*|default|public|private|protected|[A-Za-z_]\w*)\s*:$")


def joined(text: str, context: Context) -> str:
    """Take away white space that stands before the gap already, begin in the block's column, and indent
    as the file does."""
    first, *others = text.split("\n")
    if context.line_prefix.strip():
        if context.line_prefix[-1:] in " \t" and not context.in_string:
            first = first.lstrip(" \t")
        base = leading(context.line_prefix)
        return "\n".join(
            [
                first,
                *_reindented(
                    others, base, _opens(context.line_prefix + first, context.language), context
                ),
            ]
        )
    begins = context.line_prefix + first
    if not first.strip():
        return "\n".join([first, *_reindented(others, context.indent, False, context)])
    column, wanted = leading(begins), expected_indent(context)
    moved = _column(begins, wanted, context)
    if moved is None or not moved.startswith(context.line_prefix):
        moved = column
    others = _reindented(others, column, _opens(begins, context.language), context)
    if moved != column:
        others = _shifted(others, (column, context.line_prefix), moved)
    return "\n".join([moved[len(context.line_prefix) :] + begins.lstrip(" \t"), *others])


def aligned(text: str, context: Context) -> str | None:
    """The fill with its first line as deep as the line above wants it, and its block with it; None where
    it is so already, or where more stands on the line."""
    if context.line_prefix.strip() or not text.strip() or text.startswith("\n"):
        return None
    first, *others = text.split("\n")
    begins, wanted = context.line_prefix + first, expected_indent(context)
    column = leading(begins)
    if column == wanted or not wanted.startswith(context.line_prefix):
        return None
    first = wanted[len(context.line_prefix) :] + begins.lstrip(" \t")
    return "\n".join([first, *_shifted(others, (column, context.line_prefix), wanted)])


def expected_indent(context: Context) -> str:
    """The indentation of the line above, one level deeper after a block's beginning."""
    above = context.prefix[: len(context.prefix) - len(context.line_prefix)].rstrip()
    line = above[above.rfind("\n") + 1 :]
    return leading(line) + context.indent_unit if _opens(line, context.language) else leading(line)


def _column(line: str, wanted: str, context: Context) -> str | None:
    """The indentation that the fill's first line should have; None: it is right, or nobody knows."""
    has, body, row = leading(line), line.lstrip(" \t"), GRAMMARS.get(context.language)
    above = context.prefix[: len(context.prefix) - len(context.line_prefix)].rstrip()
    header = above[above.rfind("\n") + 1 :]
    if context.in_string or context.in_comment or not above:
        return wanted if width(has) > width(wanted) and line != context.line_prefix + body else None
    if width(has) > width(wanted):
        return wanted
    if width(has) == width(wanted):
        return wanted if "\t" in wanted or "\t" in has else None
    if not is_code(context.language) or _LEAVES.match(body) or body.startswith(("-", "#")):
        return None
    if _opens(header, context.language):
        labelled = _LABEL.match(header) and (row is None or row.line_comment == "//")
        return None if labelled else wanted
    known = {width(space) for space in levels(above)}
    return None if width(has) in known or not (row and row.indented) else wanted


def _opens(line: str, language: str) -> bool:
    """Whether a block, or a bracket over several lines, begins behind a line."""
    line, row = line.rstrip(), GRAMMARS.get(language)
    if row is not None and row.header and re.fullmatch(row.header, line):
        return True
    return line.endswith(OPENERS) or bool(_OPENS.search(line))


def _shifted(lines: list[str], old: Sequence[str], new: str) -> list[str]:
    """The lines of a block whose first line moves to another indentation, moved with it, if they begin
    where it did, or where the cursor stands."""
    written = [line for line in lines if line.strip()]
    least = min((leading(line) for line in written), key=width, default=None)
    if least is None or least not in old:
        return lines
    return [
        new + line.removeprefix(least) if line.strip() and line.startswith(least) else line
        for line in lines
    ]


def _reindented(lines: list[str], base: str, opened: bool, context: Context) -> list[str]:
    """With the file's tabs or spaces, and as many of them for a level as it has.

    base: the indentation of the line before; opened: it begins a block, so that the next one is a level
    deeper, and says how many spaces the model takes for that.
    """
    unit, given = context.indent_unit, 4
    first = next((line for line in lines if line.strip()), "")
    deeper = width(leading(first)) - width(base)
    if opened and deeper in (2, 4, 8) and "\t" not in leading(first):
        given = deeper
    lines = [_in_units(line, base, unit, given, context) for line in lines]
    first = next((line for line in lines if line.strip()), "")
    shallow = width(leading(first)) <= width(base) and not _LEAVES.match(first.lstrip(" \t"))
    if opened and shallow and first and is_code(context.language) and not context.in_string:
        return _shifted(lines, (leading(first),), base + unit)
    return lines


def _in_units(line: str, base: str, unit: str, given: int, context: Context) -> str:
    space = leading(line)
    body = line[len(space) :]
    if not body or (context.in_string and unit != "\t"):
        return line
    if unit == "\t":
        if " " in context.indent or "\t" in space:  # spaces after tabs only align
            return line
        count, left = divmod(len(space), given)
        return "\t" * count + " " * left + body
    if "\t" in space:
        return line if "\t" in context.indent else space.replace("\t", unit) + body
    more = len(space) - width(base)
    if more <= 0 or given == len(unit) or more % given:
        return line
    return base + unit * (more // given) + body
