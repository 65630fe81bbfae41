"""The mirror of a document, against an independent one, edit by edit; and its trees, against fresh ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from infill_lsp.documents import Change, Document, parse
from infill_lsp.positions import Encoding

SAMPLES = sorted((Path(__file__).parents[2] / "fixtures" / "languages").iterdir())
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
ODD = {
    "words": ["value", " = ", "foo(", ")", "x"],
    "line feeds": ["\n", "a\n", "\n\n"],
    "carriage returns": ["\r", "a\r", "\r\r"],
    "both": ["\r\n", "\n\r", "\r\r\n", "a\r\n"],
    "form feeds": ["\x0c", "\x0b", "a\x0cb"],
    "separators": ["\u2028", "\u2029", "\x85", "\x1c"],
    "accents": ["é", "e\u0301", "ß"],
    "east asia": ["中", "한글", "ｶﾅ"],
    "emoji": ["😀", "👩\u200d👩\u200d👧", "🇩🇪"],
    "right to left": ["שלום", "\u202e", "مرحبا"],
    "zero width": ["\u200b", "\ufeff", "\u00ad"],
    "nulls and controls": ["\0", "\x1b[31m", "\x7f"],
    "tabs and blanks": ["\t", "\u00a0", "    "],
    "private and last": ["\ue000", "\U0010ffff", "\ufffd"],
}
"""Fourteen kinds of odd text."""
EDITS, TREES = 1_000_000, 20_000
"""The bars."""


class Reference:
    """The text as a list of lines, each with its own break; positions by encoding every line's head."""

    def __init__(self, text: str, encoding: Encoding) -> None:
        self.lines, self.encoding = _lines(text), encoding

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def replace(self, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        (first, before), (last, after) = self._split(start), self._split(end)
        changed = self.lines[first][:before] + text + self.lines[last][after:]
        # A break may have come together with its neighbour's: look one line further on both sides.
        low, high = max(first - 1, 0), min(last + 2, len(self.lines))
        around = "".join([*self.lines[low:first], changed, *self.lines[last + 1 : high]])
        lines = _lines(around)
        if high < len(self.lines) and lines and not lines[-1]:
            lines.pop()
        self.lines[low:high] = lines

    def _split(self, place: tuple[int, int]) -> tuple[int, int]:
        """The line, and how many of its letters stand before the place."""
        line, character = place
        if line >= len(self.lines):
            return len(self.lines) - 1, len(self.lines[-1])
        body = self.lines[line].rstrip("\r\n")
        used = 0
        for at, letter in enumerate(body):
            used += _width(letter, self.encoding)
            if used > character:
                return line, at
        return line, len(body)


def _width(letter: str, encoding: Encoding) -> int:
    if encoding == "utf-32":
        return 1
    return (
        len(letter.encode("utf-8")) if encoding == "utf-8" else len(letter.encode("utf-16-le")) // 2
    )


def _lines(text: str) -> list[str]:
    lines, line = [], ""
    for at, letter in enumerate(text):
        line += letter
        if letter == "\n" or (letter == "\r" and text[at + 1 : at + 2] != "\n"):
            lines.append(line)
            line = ""
    return [*lines, line]


@pytest.mark.timeout(1800)
def test_edits_are_mirrored_without_a_difference(share_of: Callable[[int], int]) -> None:
    chance, wanted, done = random.Random(1), share_of(EDITS), 0
    pieces = [piece for kind in ODD.values() for piece in kind]
    while done < wanted:
        encoding = ENCODINGS[done % 3]
        text = "".join(chance.choices(pieces, k=chance.randrange(60)))
        document, reference = (
            Document("file:///a.txt", text, encoding=encoding),
            Reference(text, encoding),
        )
        for version in range(min(500, wanted - done)):
            ends = []
            for _ in range(2):
                line = chance.randrange(len(reference.lines) + 2)
                ends.append((line, chance.randrange(12) if chance.random() < 0.95 else 10**9))
            start, end = min(ends), max(ends)
            if chance.random() < 0.6:
                end = start
            if len(reference.lines) > 300:
                start, end = (1, 0), (len(reference.lines) - 2, 0)
            new = "".join(chance.choices(pieces, k=chance.randrange(4)))
            reference.replace(start, end, new)
            document.apply([Change(new, (start, end))], version)
            done += 1
            assert document.text == reference.text, f"{encoding}, edit {done}"
            if version % 50 == 0:
                place = min(chance.randrange(12), len(reference.lines) - 1), chance.randrange(5)
                line, before = reference._split(place)
                offset = sum(map(len, reference.lines[:line])) + before
                assert document.snapshot().offset_at(*place) == offset
    print(f"{done} edits mirrored")


@pytest.mark.timeout(1800)
def test_trees_that_are_edited_equal_fresh_ones(share_of: Callable[[int], int]) -> None:
    """Where the code is clean: in broken code, tree-sitter may recover in other ways."""
    chance, wanted, compared, tries = random.Random(2), share_of(TREES), 0, 0
    while compared < wanted:
        path = chance.choice(SAMPLES)
        document = Document(path.as_uri(), path.read_text(), encoding=chance.choice(ENCODINGS))
        if document.snapshot().tree_at(0) is None:
            continue
        for version in range(8):
            tries += 1
            here = document.snapshot()
            # Whole lines are taken, put elsewhere or doubled: often that leaves the code clean.
            lines = here.text.count("\n") or 1
            first, other = chance.randrange(lines), chance.randrange(lines)
            end = min(first + chance.randrange(3), lines)
            line = here.text.split("\n")[other] + "\n"
            document.apply(
                [Change(chance.choice(("", line, line + line)), ((first, 0), (end, 0)))], version
            )
            snapshot = document.snapshot()
            assert snapshot.language is not None
            fresh, edited = parse(snapshot.language, snapshot.text), snapshot.tree_at(0)
            assert fresh is not None
            assert edited is not None
            if not fresh.root_node.has_error:
                compared += 1
                assert str(edited.root_node) == str(fresh.root_node), (path.name, snapshot.text)
        assert tries < 400 * wanted + 4000
    print(f"{compared} trees of clean code equal, of {tries} edited")
