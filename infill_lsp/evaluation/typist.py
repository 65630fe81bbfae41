"""Somebody who types a file from its first key to its last, in an editor that indents.

Decides which key comes next by what stands in the document; knows no engine and no suggestion's
origin. The editor behaves as VS Code and Vim do by default: Enter repeats the line's indentation, one
level deeper after an opened block, and takes away what it had put into a line that stayed empty; Tab
and Backspace move by one level within the indentation. It closes no brackets.

Mistakes are drawn from the seed and the text alone, so everybody makes the same ones: a wrong letter,
noticed up to two letters later, or another word of the file. Both are taken back key by key.
"""

from __future__ import annotations

import random
import re
import string
from dataclasses import dataclass

from infill_lsp.context import OPENERS, indent_unit

SLIPS, OTHER_WORDS = 0.02, 0.02
"""Share of letters that are typed wrong, and of words that another one is typed for at first."""
NOTICED_AFTER = 2
"""Most letters that are typed behind a wrong one."""
WORTH_ACCEPTING = 4
"""Characters: for fewer nobody leaves the letters' keys."""

_WORD = re.compile(r"[^\W\d]\w+")
_INDENTATION = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class Key:
    """What one key does at the document's end."""

    inserted: str
    removed: int = 0
    """Characters taken from the end before that."""


class Typist:
    """Types one text at the end of a document that was empty."""

    def __init__(self, text: str, seed: int) -> None:
        """text: as `typeable` makes it."""
        self._text = text
        self._unit = indent_unit(text, len(text) // 2)
        self._mistakes = mistakes(text, seed)
        self._wrong = ""

    def next_key(self, document: str) -> Key | None:
        """The key that follows when this is what stands there; None when the text does."""
        if self._wrong:
            letter, self._wrong = self._wrong[0], self._wrong[1:]
            return Key(letter)
        right = len(document)
        while not self._text.startswith(document[:right]):
            right -= 1
        if right == len(self._text) == len(document):
            return None
        line = document[document.rfind("\n") + 1 :]
        indenting = not line.strip()
        if self._text[right : right + 1] == "\n" and (indenting or right == len(document)):
            return self._enter(document, line)
        if right < len(document):
            level = indenting and document[right:].endswith(self._unit)
            return Key("", removed=len(self._unit) if level else 1)
        if (wrong := self._mistakes.pop(right, None)) is not None:
            self._wrong = wrong[1:]
            return Key(wrong[0])
        if indenting and self._text.startswith(self._unit, right):
            return Key(self._unit)
        return Key(self._text[right])

    def accepts(self, document: str, ghost: str) -> str:
        """As much of a ghost text as the typist takes over: all of it, or its first line, if that is
        what would be typed and long enough; else nothing."""
        if not self._text.startswith(document) or self._wrong:
            return ""
        for part in (ghost, ghost.partition("\n")[0]):
            if len(part) >= WORTH_ACCEPTING and self._text.startswith(part, len(document)):
                return part
        return ""

    def _enter(self, document: str, line: str) -> Key:
        if not line.strip():
            return Key("\n" + line, removed=len(line))
        found = _INDENTATION.match(line)
        assert found is not None, "matches nothing, too"
        deeper = self._unit if line.rstrip().endswith(OPENERS) else ""
        return Key("\n" + found[0] + deeper)


def typeable(text: str) -> str:
    """A file as it stands when an editor has typed it: no white space at the end of a line or of the
    file, every line ended by `\\n`."""
    return "\n".join(line.rstrip() for line in re.split(r"\r\n?|\n", text)).strip("\n")


def mistakes(text: str, seed: int) -> dict[int, str]:
    """What is typed at first at some places of a text, by offset."""
    source = random.Random(f"{seed}/{text}")
    words = sorted(set(_WORD.findall(text)))
    found: dict[int, str] = {}
    for word in _WORD.finditer(text):
        if source.random() < OTHER_WORDS:
            found[word.start()] = source.choice(words)
    for at, letter in enumerate(text):
        if letter.isalpha() and source.random() < SLIPS:
            behind = text[at + 1 : at + 1 + source.randint(0, NOTICED_AFTER)].partition("\n")[0]
            others = string.ascii_lowercase.replace(letter, "")
            found.setdefault(at, source.choice(others) + behind)
    return {at: typed for at, typed in found.items() if not text.startswith(typed, at)}
