"""Cutting a vocabulary: what stays, and that what stays is used as before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import ByteLevel

from engine.models.vocabulary import Vocabulary
from engine.tokenizer import Tokenizer

SPECIALS = ("<|endoftext|>", "<|fim_middle|>")
SIZE = 900


def learned() -> Vocabulary:
    """A small vocabulary that was learned as Qwen2's was: by merges, from this repository."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = Vocabulary((), (), ()).backend().pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=1500, initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    sources = sorted(Path(__file__).parent.glob("test_*.py"))
    backend.train_from_iterator((path.read_text("utf-8") for path in sources), trainer)
    model = json.loads(backend.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return Vocabulary(
        (*tokens, *SPECIALS), tuple((left, right) for left, right in model["merges"]), SPECIALS
    )


WHOLE = learned()
BEFORE = WHOLE.backend()
BEFORE.encode_special_tokens = True
COUNTS = np.random.default_rng(0).integers(0, 100, len(WHOLE.tokens))
OLD_IDS = WHOLE.cut(COUNTS, SIZE)
AFTER = WHOLE.keep(OLD_IDS).backend()
AFTER.encode_special_tokens = True
TEXT = st.lists(
    st.sampled_from(["def ", "self", "    ", "\n", "):\n\n", "return", "é", "日", "<|fim_middle|>"])
    | st.characters(exclude_categories=["Cs"]),
    max_size=30,
).map("".join)


def ids(backend: Backend, text: str) -> list[int]:
    return list(backend.encode(text, add_special_tokens=False).ids)


def test_exactly_so_many_stay_bytes_and_specials_among_them() -> None:
    assert len(OLD_IDS) == len(set(OLD_IDS)) == AFTER.get_vocab_size() == SIZE
    assert sorted(OLD_IDS) == OLD_IDS
    assert {*ByteLevel.alphabet(), *SPECIALS} <= set(AFTER.get_vocab())
    assert all(AFTER.id_to_token(new) == WHOLE.tokens[old] for new, old in enumerate(OLD_IDS))


def test_every_token_that_stays_can_still_be_made() -> None:
    kept = WHOLE.keep(OLD_IDS)
    made = {left + right for left, right in kept.merges}
    assert made | set(ByteLevel.alphabet()) | set(SPECIALS) == set(kept.tokens)
    assert {part for merge in kept.merges for part in merge} <= set(kept.tokens)


@settings(max_examples=400, deadline=None)
@given(TEXT)
def test_words_whose_tokens_all_stay_keep_their_ids(text: str) -> None:
    words = BEFORE.pre_tokenizer.pre_tokenize_str(text)
    for word, _ in words:
        before = [token.id for token in BEFORE.model.tokenize(word)]
        after = [OLD_IDS[token.id] for token in AFTER.model.tokenize(word)]
        assert (before == after) == (set(before) <= set(OLD_IDS))


@settings(max_examples=400, deadline=None)
@given(TEXT)
def test_any_text_is_read_back_and_no_special_is_read_from_it(text: str) -> None:
    found = ids(AFTER, text)
    assert AFTER.decode(found, skip_special_tokens=False) == text
    assert not {AFTER.token_to_id(token) for token in SPECIALS} & set(found)


def test_what_is_counted_most_stays_with_its_parts() -> None:
    ids_ = {token: id_ for id_, token in enumerate(WHOLE.tokens)}
    longest = max(range(len(WHOLE.merges)), key=lambda n: len("".join(WHOLE.merges[n])))
    left, right = WHOLE.merges[longest]
    counts = np.zeros(len(WHOLE.tokens))
    counts[ids_[left + right]] = 1
    kept = WHOLE.cut(counts, 600)
    assert {ids_[left + right], ids_[left], ids_[right]} <= set(kept)


@pytest.mark.parametrize("size", [0, 256 + len(SPECIALS), len(WHOLE.tokens) + 1])
def test_a_size_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="is not between"):
        WHOLE.cut(COUNTS, size)


def test_the_tokenizer_reads_it(tmp_path: Path) -> None:
    AFTER.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer(tmp_path / "tokenizer.json")
    text = Path(__file__).read_text("utf-8")
    assert tokenizer.encode(text) == ids(AFTER, text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_bytes_are_the_only_tokens_of_one_letter() -> None:
    assert set(pre_tokenizers.ByteLevel.alphabet()) == {t for t in WHOLE.tokens if len(t) == 1}
