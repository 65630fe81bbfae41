"""The prompt never breaks its budget, drops the right things first, and starts where it did before
the last key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.models.base import ModelSpec
from engine.prompt import PromptPieces, heal, prefix_pieces
from engine.prompt_cache import common_start
from engine.request import InfillRequest, Snippet

SPEC = ModelSpec(
    name="test",
    noise="mask",
    order="any",
    shift=True,
    vocab_size=272,
    context_length=2048,
    eos_ids=(258,),
    mask_id=256,
    bos_id=259,
)
SEPARATED = replace(SPEC, suffix_in_prompt=True, separator_id=260)

code = st.text(st.sampled_from("ab_1 \n\t(é中"), max_size=300)


@given(
    prefix=code,
    suffix=code,
    snippets=st.lists(code, max_size=3),
    room=st.integers(1, 250),
    spec=st.sampled_from([SPEC, SEPARATED]),
)
@settings(deadline=None)
def test_the_budget_is_never_exceeded_and_the_prefix_is_never_garbled(
    byte_tokenizer: Any, prefix: str, suffix: str, snippets: list[str], room: int, spec: ModelSpec
) -> None:
    if spec.separator_id is None:
        snippets = []  # nothing would show where they end
    request = InfillRequest(prefix, suffix, snippets=tuple(Snippet(text) for text in snippets))
    prompt = PromptPieces(request, byte_tokenizer, spec, 250).cut(room)
    ids = prompt.ids + prompt.left
    assert 1 <= len(ids) <= room
    assert len(prompt.left) == 1
    # The text ends as the document's does, once what was taken back to heal is put on again.
    start = max((at for at, id_ in enumerate(ids) if id_ >= 256), default=-1) + 1
    end = byte_tokenizer.decode_bytes(ids[start:]) + prompt.heal
    assert (prefix.encode()).endswith(end) or end.endswith(prefix.encode())


@given(code)
def test_healing_takes_back_an_end_and_loses_nothing(byte_tokenizer: Any, prefix: str) -> None:
    kept, healed = heal(prefix, byte_tokenizer)
    assert kept.encode() + healed == prefix.encode()


@pytest.mark.parametrize(
    ("prefix", "healed"),
    [
        ("if x:\n", b"\n"),  # a line break is one token with the indentation after it
        ("if x:\n    ", b" "),  # of the indentation only the last space, as tokenized before a word
        ("x = ", b" "),
        ("a\n\n", b"\n"),
        ("pri", b"i"),  # the last token; a token is a byte here
        ("x\u00a0", b""),  # white space of two bytes, which no single token begins with
        ("", b""),
    ],
)
def test_what_is_healed(byte_tokenizer: Any, prefix: str, healed: bytes) -> None:
    assert heal(prefix, byte_tokenizer)[1] == healed


@given(st.integers(0, 30_000), st.integers(10, 3000))
@settings(deadline=None, max_examples=50)
def test_remembered_pieces_are_those_of_a_fresh_look(
    byte_tokenizer: Any, length: int, room: int
) -> None:
    text = "".join(f"value_{i} = {i}\n\n" for i in range(2000))[:length]
    pieces = prefix_pieces(text, byte_tokenizer, room)
    joined = b"".join(bytes(piece.ids) for piece in pieces).decode()
    assert text.endswith(joined)
    assert len(joined) >= min(length, room)
    line = text.count("\n") - joined.count("\n")
    for piece in pieces:
        line += bytes(piece.ids).count(b"\n")
        assert piece.line == line


def test_typing_keeps_the_start_of_a_prompt_that_does_not_fit(byte_tokenizer: Any) -> None:
    lines = "".join(f"value_{i} = {i}\n" for i in range(400))
    typed = "for each in range(10):\n    print(each)\n" * 8
    before: list[int] = []
    kept = 0
    for end in range(len(typed)):
        request = InfillRequest(lines + typed[:end])
        prompt = PromptPieces(request, byte_tokenizer, SPEC, 1000).cut(1000)
        kept += common_start(before, prompt.ids) >= len(before) - 2
        before = prompt.ids
        assert len(before) > 500  # and it does not become short for that
    # The start may jump now and then (a quarter of the prompt at a time), not with each line.
    assert kept >= len(typed) - 4


def test_snippets_go_before_the_suffix_and_the_suffix_before_the_prefix(
    byte_tokenizer: Any,
) -> None:
    request = InfillRequest("p" * 90, "s" * 90, snippets=(Snippet("n" * 90),))
    pieces = PromptPieces(request, byte_tokenizer, SEPARATED, 1000)

    def counts(room: int) -> tuple[int, ...]:
        ids = pieces.cut(room).ids
        return tuple(ids.count(ord(letter)) for letter in "nsp")

    assert counts(1000) == (90, 90, 88)  # 'p': one in the left anchor, one healed
    assert counts(200) == (0, 0, 88)
    assert counts(40)[2] > 30


def test_without_a_separator_a_blank_line_stands_between_pieces(byte_tokenizer: Any) -> None:
    request = InfillRequest("x = 1\n", "rest", snippets=(Snippet("def f(): ..."),))
    prompt = PromptPieces(request, byte_tokenizer, SPEC, 100).cut(100)
    text = byte_tokenizer.decode(prompt.ids + prompt.left)
    assert text == "def f(): ...\n\nx = 1"  # the line break is taken back to be healed


def test_what_was_dropped_is_counted(byte_tokenizer: Any) -> None:
    request = InfillRequest("x = 1\n" * 100)
    pieces = PromptPieces(request, byte_tokenizer, SPEC, 1000)
    assert pieces.cut(1000).dropped_chars == 0
    prompt = pieces.cut(100)
    assert prompt.dropped_chars == 600 - len(prompt.ids + prompt.left) - len(prompt.heal)
