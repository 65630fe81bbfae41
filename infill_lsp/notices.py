"""Notices: lines that say who wrote or owns a text, and licence text. A fill may copy one from the
workspace, verbatim, and may bring none from anywhere else.

Licence text is found by its word sequences, out of the licence texts that `identify` ships; an owner's or
author's line by its form. Pure functions of texts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache

SHINGLE = 6
"""Words in a row that a text and a licence must share."""
_BEFORE_HEADER = 3
"""Lines that may stand before a header: `#!`, an encoding, the comment's beginning."""
HEADER = 4_000
"""Characters of a file in which its notices are looked for: headers stand at the start."""

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_NAME = r"(?:[^\W\d_a-z][\w.'-]*|<[^<>\s]+@|[\w.+-]+@\w|@\w)"
"""How a person's or a company's name begins."""
_OWNED = re.compile(
    rf"©|&copy;|(?i:\bcopr\.|\(c\)\s*\d{{4}})|\([cC]\)\s*(?i:by\s+)?{_NAME}"
    rf"|(?i:\bcopy(?:right|left)\b)\s*[:,-]?\s*(?:(?i:\(c\)|holders?\b|notice\b|owners?\b|\d{{4}})"
    rf"|(?i:by\s+)?{_NAME})"
    r"|(?i:\ball\s+rights\s+reserved\b|\bSPDX-[a-z]+(?:-[a-z]+)*\s*:"
    r"|\blicen[cs]ed\s+(?:under|to|with)\b|\blicen[cs]e\s+file\b"
    r"|\bunder\s+the\s+(?:terms\s+of|(?:\S+\s+){1,4}licen[cs]e\b)"
    r"|\buse\s+of\s+this\s+(?:source|software|file|program|code)\b.*\b(?:is|are)\b"
    r"|^\W*@?licen[cs]e\b\s*(?::|\s)\s*\S)",
)
_WRITTEN = re.compile(
    r"^\W*(?:"
    r"(?i:(?:co-?)?authors?|maintainers?|contributors?|signed-off-by|e-?mail|company|organi[sz]ation"
    r"|created|date\s+created|author'?s?\s+(?:name|e-?mail))\s*[:=]\s*\S"
    r"|(?i:@author|\\author|:authors?:|@since|@copyright|@date)\b.*\S"
    rf"|(?i:written|created|developed|maintained|authored|modified)\s+(?i:by|on)\s*:?\s*(?:{_NAME}|\d)"
    r")"
    rf"|\b(?i:written|created|developed|maintained|authored)\s+by\s*:?\s*{_NAME}"
    r"|\w+\s+<[\w.+-]+@[\w.-]+>",
)
_COMMENT = re.compile(r"\ufeff?\s*(?:[#/*;%!<>'\"-]|REM\b)|\ufeff\s*$")
_DECLARED = re.compile(r"^\s*__(?:author|copyright|license|maintainer|email|credits)__\s*=")


def notice_at(text: str, before: str, known: Collection[str] = ()) -> int | None:
    """Offset of the first line of `text` that is a notice, or a part of one, and is not among the
    `known` lines (see `normal`). None: there is none.

    before: what stands before the text; its last line, and its last words, may begin the notice.
    """
    start_of_line = before[before.rfind("\n") + 1 :]
    licensed = set(_licence_lines(text, before))
    at = 0
    for number, line in enumerate(text.split("\n")):
        whole = start_of_line + line if not number else line
        attributed = bool(line.strip()) and _is_attribution(whole)
        if (attributed or number in licensed) and normal(whole) not in known:
            return at
        at += len(line) + 1
    return None


def notices(text: str) -> tuple[str, ...]:
    """The lines of a text's first `HEADER` characters that are notices, each as `normal` has it."""
    head = text[:HEADER]
    licensed = set(_licence_lines(head, ""))
    return tuple(
        normal(line)
        for number, line in enumerate(head.split("\n"))
        if number in licensed or _is_attribution(line)
    )


def header(text: str) -> str:
    """The first lines of a file up to the last notice among them, if they begin with one."""
    lines = text[:HEADER].split("\n")
    found = [number for number, line in enumerate(lines) if normal(line) in set(notices(text))]
    if not found or found[0] > _BEFORE_HEADER:
        return ""
    last = found[0]
    for number in found:
        if number - last > 2:  # a blank line, or a line between two sentences
            break
        last = number
    return "\n".join(lines[: last + 1])


def at_start(before: str) -> bool:
    """Whether nothing but comments stands before a gap."""
    return all(_COMMENT.match(line) for line in before.split("\n") if line.strip())


def normal(line: str) -> str:
    """A line without its comment's marks and with single spaces, for comparison."""
    return " ".join(line.strip().strip("#/*-;%!<>\"'").split())


LONGEST_NOTICE = 1000
"""Characters of a line beyond which it is data, not a notice."""


def _is_attribution(line: str) -> bool:
    if len(line) > LONGEST_NOTICE:
        return False
    if any(form.search(line) for form in (_OWNED, _WRITTEN, _DECLARED)):
        return True
    words = f" {' '.join(_WORD.findall(line.lower()))} "
    return any(title in words for title in _titles())


def _licence_lines(text: str, before: str) -> Iterator[int]:
    """The numbers of the lines that have a part in a licence's word sequence."""
    tail = _WORD.findall(before[-400:].lower())[-(SHINGLE - 1) :]
    words: list[tuple[str, int]] = [(word, -1) for word in tail]
    for number, line in enumerate(text.split("\n")):
        words += [(word, number) for word in _WORD.findall(line.lower())]
    known = _shingles()
    for first in range(len(words) - SHINGLE + 1):
        part = words[first : first + SHINGLE]
        if " ".join(word for word, _ in part) in known:
            yield from {number for _, number in part if number >= 0}


@cache
def _titles() -> tuple[str, ...]:
    """The first lines of licences that call themselves one, e.g. `mit license`."""
    from identify.vendor.licenses import LICENSES

    lines = (text.strip().partition("\n")[0].lower() for _, text in LICENSES)
    titles = (" ".join(_WORD.findall(line)) for line in lines)
    return tuple(f" {title} " for title in titles if title.endswith(("license", "licence")))


@cache
def _shingles() -> frozenset[str]:
    from identify.vendor.licenses import LICENSES  # late: half a megabyte of text

    found = set[str]()
    for _, text in LICENSES:
        words = _WORD.findall(text.lower())
        found.update(
            " ".join(words[first : first + SHINGLE]) for first in range(len(words) - SHINGLE + 1)
        )
    return frozenset(found)
