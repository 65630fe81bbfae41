"""Positions agree with a slow, obvious reference in every encoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.positions import Encoding, LineIndex, line_bounds, offset_at, position_at, within

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
PIECES = (
    "a",
    "bc",
    "é",
    "中",
    "😀",
    "👩‍💻",
    "\n",
    "\r\n",
    "\r",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\t",
)
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
long_texts = st.lists(st.sampled_from((*PIECES, "\n", "\n" * 40, "\r\n" * 70)), max_size=30).map(
    "".join
)


def slow_lines(text: str) -> list[tuple[int, int]]:
    """(start, end before the break) of every line, one character at a time."""
    lines, start, at = [], 0, 0
    while at < len(text):
        width = 2 if text.startswith("\r\n", at) else 1
        if text[at] in "\r\n":
            lines.append((start, at))
            start = at + width
        at += width if text[at] in "\r\n" else 1
    return [*lines, (start, len(text))]


def width(character: str, encoding: Encoding) -> int:
    return (
        len(character.encode(encoding + ("" if encoding == "utf-8" else "-le")))
        // {
            "utf-8": 1,
            "utf-16": 2,
            "utf-32": 4,
        }[encoding]
    )


def slow_offset_at(text: str, line: int, character: int, encoding: Encoding) -> int:
    lines = slow_lines(text)
    if line < 0:
        return 0
    if line >= len(lines):
        return len(text)
    at, end = lines[line]
    while at < end and (character := character - width(text[at], encoding)) >= 0:
        at += 1
    return at


def slow_position_at(text: str, offset: int, encoding: Encoding) -> tuple[int, int]:
    lines = slow_lines(text)
    number = max(n for n, (start, _) in enumerate(lines) if start <= offset)
    start, end = lines[number]
    return number, sum(width(c, encoding) for c in text[start : min(offset, end)])


@given(
    texts | st.text("a😀é中", max_size=8),
    st.integers(-2, 20) | st.just(0),
    st.integers(-2, 20),
    st.sampled_from(ENCODINGS),
)
def test_offset_agrees_with_the_reference(
    text: str, line: int, character: int, encoding: Encoding
) -> None:
    assert offset_at(text, line, character, encoding) == slow_offset_at(
        text, line, character, encoding
    )


@given(texts, st.data(), st.sampled_from(ENCODINGS))
def test_position_agrees_with_the_reference(
    text: str, data: st.DataObject, encoding: Encoding
) -> None:
    offset = data.draw(st.integers(0, len(text)))
    assert position_at(text, offset, encoding) == slow_position_at(text, offset, encoding)


@given(texts, st.data(), st.sampled_from(ENCODINGS))
def test_there_and_back(text: str, data: st.DataObject, encoding: Encoding) -> None:
    offset = data.draw(st.integers(0, len(text)))
    inside_break = text[offset - 1 : offset + 1] == "\r\n" and offset > 0
    back = offset_at(text, *position_at(text, offset, encoding), encoding)
    assert back == offset - inside_break


@given(long_texts, st.data())
def test_an_edited_index_finds_what_a_fresh_one_finds(text: str, data: st.DataObject) -> None:
    index = LineIndex.build(text)
    for _ in range(4):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        inserted = data.draw(long_texts)
        text = text[:start] + inserted + text[end:]
        index = index.edited(text, start, end, len(inserted))
        lines = slow_lines(text)
        starts = {number: line[0] for number, line in enumerate(lines)}
        assert [starts.get(n) for n in index.lines] == list(index.offsets)
        assert all(
            index.offset_at(text, number, 0, "utf-8") == start for number, start in starts.items()
        )
        assert index.offset_at(text, len(lines), 0, "utf-8") == len(text)


@given(texts, st.data())
def test_line_bounds(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    if text[max(offset - 1, 0) : offset + 1] == "\r\n":
        return
    assert line_bounds(text, offset) in slow_lines(text)
    assert line_bounds(text, offset)[0] <= offset <= line_bounds(text, offset)[1]


@pytest.mark.parametrize(
    ("text", "line", "character", "encoding", "offset"),
    [
        pytest.param("abc", 5, 0, "utf-16", 3, id="past the last line"),
        pytest.param("abc", 0, 99, "utf-16", 3, id="past the end without a break"),
        pytest.param("abc\r\nd", 0, 99, "utf-16", 3, id="before the break, not inside it"),
        pytest.param("a\x0cb\nc\u2028d\nlast", 1, 0, "utf-16", 4, id="form feed ends no line"),
        pytest.param("a\x0cb\nc\u2028d\nlast", 2, 1, "utf-16", 9, id="U+2028 ends no line"),
        pytest.param("x😀y", 0, 2, "utf-16", 1, id="inside a surrogate pair"),
        pytest.param("x😀y", 0, 3, "utf-16", 2, id="after a surrogate pair"),
        pytest.param("x😀y", 0, 4, "utf-8", 1, id="inside four bytes"),
        pytest.param("x😀y", 0, 2, "utf-32", 2, id="code points"),
        pytest.param("a\rb", 1, 1, "utf-8", 3, id="lone carriage return"),
    ],
)
def test_known_positions(
    text: str, line: int, character: int, encoding: Encoding, offset: int
) -> None:
    assert offset_at(text, line, character, encoding) == offset


@pytest.mark.parametrize(
    ("encoding", "wholes"),
    [("utf-8", [0, 1, 1, 2, 2, 2, 2, 3, 4, 4]), ("utf-16", [0, 1, 2, 2, 3, 4])],
)
def test_units_to_characters(encoding: Encoding, wholes: list[int]) -> None:
    """Half a character is none."""
    assert [within("aé🙂b", count, encoding) for count in range(len(wholes))] == wholes
