"""The fill-in-the-middle prompt: its order, its budget, and what of it a key changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fim_prompt import FimPieces
from engine.models.base import FimTokens, ModelSpec
from engine.prompt import Prompt
from engine.prompt_cache import common_start
from engine.request import InfillRequest, Snippet

MARKS = FimTokens(prefix=260, suffix=261, middle=262)
SPEC = ModelSpec(
    name="test",
    noise="mask",
    order="left_to_right",
    shift=True,
    vocab_size=272,
    context_length=2048,
    eos_ids=(258,),
    mask_id=256,
    fim=MARKS,
)
code = st.text(st.sampled_from("ab_1 \n\t(é中"), max_size=300)


def prompt_of(tokenizer: Any, request: InfillRequest, room: int = 1000) -> Prompt:
    return FimPieces(request, tokenizer, SPEC, room).cut(room)


def text_of(ids: list[int]) -> str:
    """Bytes as text, marks by name."""
    names = {260: "<P>", 261: "<S>", 262: "<M>"}
    parts, run = [], bytearray()
    for id_ in [*ids, -1]:
        if 0 <= id_ < 256:
            run.append(id_)
            continue
        parts += [run.decode("utf-8", "replace"), names.get(id_, "")]
        run = bytearray()
    return "".join(parts)


def test_the_order_is_the_one_it_was_trained_on(byte_tokenizer: Any) -> None:
    request = InfillRequest("a = 1\nb = 2\nif a", ":\n    pass\n")
    prompt = prompt_of(byte_tokenizer, request)
    whole = text_of(prompt.ids + prompt.left) + prompt.heal.decode()
    assert whole == "<P>a = 1\nb = 2\n<S>:\n    pass\n<M>if a"


def test_other_files_come_first_as_if_they_were_of_this_one(byte_tokenizer: Any) -> None:
    snippets = (Snippet("def f(): ...", "lib/f.py"), Snippet("x = 1\n"))
    request = InfillRequest("f(", ")", path="app.py", snippets=snippets)
    prompt = prompt_of(byte_tokenizer, request)
    whole = text_of(prompt.ids + prompt.left) + prompt.heal.decode()
    assert whole == "<P>def f(): ...\n\nx = 1\n\n<S>)<M>f("


def test_marks_in_a_document_are_only_text(byte_tokenizer: Any) -> None:
    request = InfillRequest("<|fim_middle|>\n<|fim_prefix|>", "<|fim_suffix|>")
    prompt = prompt_of(byte_tokenizer, request)
    ids = prompt.ids + prompt.left
    assert [id_ for id_ in ids if id_ >= 256] == [MARKS.prefix, MARKS.suffix, MARKS.middle]


@given(prefix=code, suffix=code, snippets=st.lists(code, max_size=3), room=st.integers(20, 250))
@settings(deadline=None)
def test_the_budget_is_never_exceeded_and_no_mark_is_lost(
    byte_tokenizer: Any, prefix: str, suffix: str, snippets: list[str], room: int
) -> None:
    request = InfillRequest(prefix, suffix, snippets=tuple(map(Snippet, snippets)))
    prompt = FimPieces(request, byte_tokenizer, SPEC, 250).cut(room)
    ids = prompt.ids + prompt.left
    assert len(ids) <= room
    assert [ids.count(mark) for mark in (MARKS.prefix, MARKS.suffix, MARKS.middle)] == [1, 1, 1]
    assert len(prompt.left) == 1
    assert prompt.settled <= len(prompt.ids)


@given(above=code, line=st.text("ab(_.", min_size=1, max_size=20), suffix=code)
@settings(deadline=None)
def test_a_key_within_a_line_changes_nothing_but_the_end(
    byte_tokenizer: Any, above: str, line: str, suffix: str
) -> None:
    before, after = (
        prompt_of(byte_tokenizer, InfillRequest(f"{above}\n{typed}", suffix), 2000)
        for typed in (line[:-1], line)
    )
    shared = common_start(before.ids + before.left, after.ids + after.left)
    assert shared >= len(before.ids + before.left) - 1
    assert shared >= min(before.settled, after.settled)


def test_a_new_line_leaves_the_suffix_whole(byte_tokenizer: Any) -> None:
    suffix = "\n    return total\n" * 3
    before = prompt_of(byte_tokenizer, InfillRequest("a = 1\nb = 2", suffix))
    after = prompt_of(byte_tokenizer, InfillRequest("a = 1\nb = 2\nc", suffix))
    kept = len(suffix) + 1  # and its mark
    assert (
        before.ids[before.settled - kept : before.settled]
        == (after.ids[after.settled - kept : after.settled])
    )


def test_of_an_endless_line_the_end_stands_behind_the_mark(byte_tokenizer: Any) -> None:
    request = InfillRequest("x" * 5000, "y" * 5000)
    prompt = prompt_of(byte_tokenizer, request, 400)
    ids = prompt.ids + prompt.left
    assert len(ids) <= 400
    assert ids[-50:] == [ord("x")] * 50
    assert ord("y") in ids


def test_a_short_file_is_read_whole(byte_tokenizer: Any) -> None:
    request = InfillRequest("a\n" * 20, "b\n" * 150)
    prompt = prompt_of(byte_tokenizer, request, 400)
    assert prompt.dropped_chars == 0
    assert text_of(prompt.ids).count("b") == 150
