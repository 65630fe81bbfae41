"""Continue's notes above a file's text, as comments: pieces of other files, then this file's name.

    # Path: shop/tax.py
    # RATE = 0.2
    # shop/till.py
    def total(net):

They become what they say: a name tells the language, and the model knows pieces of other files when
they are no comments.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import takewhile

from engine import Snippet
from infill_lsp.endpoint.fim import Parts

_MARK = r"(#|//|--|;) "
_NAME = re.compile(r"[^\s:]+\.[A-Za-z]\w*")
_ALONE = re.compile(rf"\n{_MARK}({_NAME.pattern})\n")
_FIRST = re.compile(rf"{_MARK}(Path: |diff --git )")


def without_notes(parts: Parts) -> Parts:
    """The parts, their notes taken out of the prefix; the same when there are none."""
    if alone := _ALONE.match(parts.prefix):
        return replace(parts, prefix=parts.prefix[alone.end() :], path=alone[2])
    if (first := _FIRST.match(parts.prefix)) is None:
        return parts
    mark = first[1] + " "
    lines = parts.prefix.split("\n")
    noted = takewhile(lambda line: line.startswith(mark), lines)
    said = [line.removeprefix(mark) for line in noted]
    names = [at for at, line in enumerate(said) if _NAME.fullmatch(line)]
    if not names:
        return parts
    # The last: a line of another file may look like a name, too.
    end = names[-1]
    prefix = "\n".join(lines[end + 1 :])
    return Parts(prefix, parts.suffix, said[end], tuple(_snippets(said[:end])))


def _snippets(said: list[str]) -> list[Snippet]:
    """The piece below each `Path:`. A diff has no path, and is left out."""
    found: list[tuple[str, list[str]]] = []
    piece: list[str] = []
    for line in said:
        if line.startswith(("Path: ", "diff --git ")):
            piece = []
            if line.startswith("Path: "):
                found.append((line.removeprefix("Path: "), piece))
        else:
            piece.append(line)
    return [Snippet("\n".join(piece) + "\n", path) for path, piece in found]
