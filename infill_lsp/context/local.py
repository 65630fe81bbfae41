"""What the file itself says about a gap: text on both sides, scopes, imports, and whether one line
or several belong there. Reads a snapshot; knows no other file, no token and no model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tree_sitter import Tree

from infill_lsp.brackets import Surroundings, around, is_code
from infill_lsp.delimiters import name_of
from infill_lsp.documents import BOM, Snapshot
from infill_lsp.excerpt import LOOK, begins_definition
from infill_lsp.faults import errors
from infill_lsp.indentation import DEFAULT, INDENTED, leading, unit_in, width
from infill_lsp.positions import line_bounds
from infill_lsp.syntax import Scope as Scope
from infill_lsp.syntax import imports, imports_of_head, in_comment, in_string, scopes_at

HEAD = 6_000
"""Characters at a big file's start in which its imports are looked for."""
WINDOW = LOOK
"""Characters on each side of a gap that anybody looks at; the longest prompt holds far less."""
WINDOW_LINES = 256
FOREIGN = 8
"""Characters right of the cursor, closers aside, up to which a finished line may be extended."""
OPENERS = (":", "{", "(", "[")
"""How a line ends that opens a block, or a bracket over several lines."""

_CLOSERS = re.compile(r"[\s)\]}>;,:'\"`]*")
_BLOCK_HEADER = re.compile(
    r"^\s*(?:(?:export|default|public|private|protected|static|async|pub|final|abstract)\s+)*"
    r"(?:class|def|do|elif|else|enum|except|finally|fn|for|func|function|if|impl|interface|match"
    r"|module|struct|switch|trait|try|unless|until|while|with)\b"
)
_HALF_DONE = re.compile(r"(?:\breturn|\byield|\bimport|\bfrom|\bawait|=>?|[-+*/%&|<>!~?.,])\s*$")
_OPENS_BLOCK = re.compile(r"(?:[{:]|\b(?:do|then|begin)|\|)\s*$")


@dataclass(frozen=True, slots=True)
class Context:
    """A gap [offset, end) and what surrounds it."""

    prefix: str
    """The document before the gap; of a big one its last `WINDOW` characters and a few more."""
    suffix: str
    """The document after the gap; of a big one its first `WINDOW` characters."""
    language: str = ""
    """Our grammar's name, else the editor's language id; empty for plain text."""
    path: str = ""
    scopes: tuple[Scope, ...] = ()
    """Enclosing classes and functions, outermost first."""
    imports: tuple[str, ...] = ()
    """Source text of the file's import statements, in order."""
    in_string: bool = False
    in_comment: bool = False
    interpolated: bool = False
    """Inside of brackets in a string: of an interpolation's mostly."""
    line_prefix: str = ""
    """The gap's first line before the gap."""
    line_suffix: str = ""
    """The gap's last line after the gap, without its line break."""
    indent: str = ""
    """Leading white space of the gap's first line."""
    indent_unit: str = "    "
    """One level of indentation as the file has it."""
    newline: str = "\n"
    """`\\n` or `\\r\\n`."""
    single_line: bool = False
    """The fill may hold no line break."""
    own_lines: bool = False
    """The gap ends where a line of its own begins, so a line break belongs behind the fill. `suffix`
    begins with it, as it would had the programmer opened a blank line first."""
    goes_on: bool = False
    """The line goes on after the gap with more than closing brackets."""
    sees_after: bool = False
    """The model reads what stands after the gap."""
    ends_itself: bool = False
    """The model was trained to close a gap, so where a fill ends is its own to say."""
    beside: tuple[str, str] = ("", "")
    """The text of a notebook's cells before and after the gap's."""
    notices: frozenset[str] = frozenset()
    """Lines of the workspace that say who owns or wrote something (`notices.normal`); no others may be
    in a fill."""
    cut_off: bool = False
    """The fill's end was not reached in time: its last line may lack its own end."""
    quiet: str | None = None
    """Why no suggestion should be made here unless asked for; None: suggest."""


def gather(snapshot: Snapshot, offset: int, *, end: int | None = None) -> Context:
    """The context of the gap [offset, end); `end` None means offset: nothing is replaced.

    Raises ValueError when 0 <= offset <= end <= len(text) does not hold.
    """
    text = snapshot.text
    end = offset if end is None else end
    if not 0 <= offset <= end <= len(text):
        raise ValueError(
            f"the gap [{offset}, {end}) is not inside the text of {len(text)} characters"
        )
    prefix, suffix = text[_window_start(snapshot, offset) : offset], text[end : end + WINDOW]
    prefix = prefix.removeprefix(BOM)
    line_prefix = text[line_bounds(text, offset)[0] : offset].removeprefix(BOM)
    line_suffix = text[end : line_bounds(text, end)[1]]
    indent = line_prefix[: len(line_prefix) - len(line_prefix.lstrip(" \t"))]
    language = snapshot.language or name_of(snapshot.language_id, snapshot.path)
    unit = _unit(text, offset, end, line_prefix, snapshot.around.unit(language))
    unit = "\t" if indent and not indent.strip("\t") else unit
    newline = _newline(text, offset)
    tree = snapshot.tree_at(offset) if snapshot.language else None
    own_lines = (
        not line_prefix
        and bool(line_suffix.strip())
        and _begins_line(text, end)
        and not (tree is not None and _is_rest(line_suffix, tree, end, prefix, unit))
    )
    if own_lines:
        suffix, line_suffix = newline + suffix, ""
    string = comment = False
    scopes: tuple[Scope, ...] = ()
    statements: tuple[str, ...] = ()
    if tree is not None:
        string = in_string(tree, text, language, offset)
        comment = in_comment(tree, text, language, offset)
        scopes = scopes_at(tree, text, language, offset)
        if snapshot.whole_tree:
            statements = imports(tree, text, language)
        else:
            head = text[: text.rfind("\n", 0, HEAD) + 1]
            statements = imports_of_head(language, head)
        if not (string or comment) and tree.root_node.has_error:
            # unfinished: a tree has no string where the closing quote is missing
            inside = around(line_prefix, line_suffix, language).inside
            string = inside is not None and not inside.comment
            comment = inside is not None and inside.comment
    inner = _interpolation(prefix, suffix, line_prefix, line_suffix, language, string or comment)
    string = string and not (inner and inner.interpolates)
    return Context(
        prefix=prefix,
        suffix=suffix,
        language=language,
        path=snapshot.path,
        scopes=scopes,
        imports=statements,
        in_string=string,
        in_comment=comment,
        line_prefix=line_prefix,
        line_suffix=line_suffix,
        indent=indent,
        indent_unit=unit,
        newline=newline,
        interpolated=inner is not None,
        single_line=inner is not None
        or one_line(prefix, suffix, line_prefix, line_suffix, language, string, comment),
        own_lines=own_lines,
        beside=snapshot.beside,
        goes_on=not (string or comment or _CLOSERS.fullmatch(line_suffix)),
        quiet=None
        if end > offset
        else reason_for_silence(line_prefix, line_suffix, string or comment or inner is not None),
    )


def _interpolation(
    prefix: str, suffix: str, line_prefix: str, line_suffix: str, language: str, literal: bool
) -> Surroundings | None:
    """The surroundings of a gap inside of brackets in a string; None where it is not. literal: what the
    tree says, which has code where an interpolation parses."""
    for before, after in ((prefix, suffix), (line_prefix, line_suffix)):
        near = around(before, after, language, in_string=True)
        if near.inner and (literal or near.interpolates):
            return near
    return None


def _window_start(snapshot: Snapshot, offset: int) -> int:
    """Where the prefix begins: at a multiple of many lines, so that it seldom moves while somebody
    types, and a prompt cut at a multiple of fewer lines begins where it did (`engine.prompt`)."""
    line, _ = snapshot.position_at(max(offset - WINDOW, 0))
    return snapshot.index.offset_at(snapshot.text, line - line % WINDOW_LINES, 0, "utf-32")


def indent_unit(text: str, offset: int, default: str = DEFAULT) -> str:
    """One level of indentation, as most lines near `offset` have it, else most lines of the text;
    `default` where no line is indented."""
    near = text[max(offset - 2000, 0) : offset + 1000]
    return unit_in(near) or unit_in(text[:INDENTED]) or default


def _unit(text: str, offset: int, end: int, line_prefix: str, default: str) -> str:
    """One level of indentation at a gap: as the lines near it have it, else as deep as the cursor stands
    under the line above."""
    shown = indent_unit(text, offset, "")
    if line_prefix.strip() or not line_prefix:
        return shown or default
    begun = indent_unit(f"{text[:offset]}x{text[end:]}", offset, "")
    below = next((line for line in text[end:].split("\n")[1:] if line.strip()), "")
    deeper = width(leading(below)) - width(line_prefix)
    return begun if not shown or deeper == width(begun) else shown


def one_line(
    prefix: str,
    suffix: str,
    line_prefix: str,
    line_suffix: str,
    language: str,
    in_string: bool,
    in_comment: bool,
) -> bool:
    """Whether the fill ends with its line: something stands to the right, a statement is half
    done, or the gap is in an argument list, a string or a line comment."""
    if in_string or in_comment:
        inside = around(prefix, suffix, language, in_string=in_string, in_comment=in_comment).inside
        if inside is None or not inside.lines:
            return True
        return _CLOSERS.fullmatch(line_suffix.replace(inside.close, "")) is None
    if not _CLOSERS.fullmatch(line_suffix):
        return True
    if line_suffix.strip():
        return not line_prefix.rstrip().endswith(("{", "(", "["))
    if not line_prefix.strip() or _OPENS_BLOCK.search(line_prefix):
        return False
    if around(line_prefix, "", language).opened.endswith(("(", "[")):
        return True
    if _HALF_DONE.search(line_prefix):
        return True
    return not is_code(language) or not _BLOCK_HEADER.match(line_prefix)


def reason_for_silence(line_prefix: str, line_suffix: str, literal: bool) -> str | None:
    """Why an unasked suggestion would be in the way here; None when it would not."""
    left, right = line_prefix[-1:], line_suffix[:1]
    if _wordy(left) and _wordy(right):
        return "the cursor is inside a word"
    foreign = _CLOSERS.sub("", line_suffix)
    if len(foreign) > FOREIGN and (_wordy(left) or left in (")", "]", "}")) and not literal:
        return "the line goes on to the right of the cursor"
    return None


def _wordy(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _begins_line(text: str, offset: int) -> bool:
    return line_bounds(text, offset)[0] == offset


def _is_rest(line: str, tree: Tree, start: int, prefix: str, unit: str) -> bool:
    """Whether `line`, from `start` to its end, can only be the rest of one that the gap begins: it is
    wrong there, and either stands at the margin below an indented line or at no level at all."""
    above = prefix.rstrip()
    above = above[above.rfind("\n") + 1 :]
    body = line.lstrip(" \t")
    indent = line[: len(line) - len(body)]
    if indent:
        odd = indent.replace(unit, "") != "" and body[0] != "*"  # ` *` continues a comment
    else:
        below = above[:1].isspace() or above.endswith(OPENERS)
        odd = below and body[0] not in ")]}{" and not begins_definition(body)
    return odd and errors(tree, start - 1, start + len(line)) > 0  # what is missing has no width


def _newline(text: str, offset: int) -> str:
    """The line break nearest before `offset`, else the first after it."""
    at = text.rfind("\n", 0, offset)
    at = text.find("\n", offset) if at < 0 else at
    return "\r\n" if at > 0 and text[at - 1] == "\r" else "\n"
