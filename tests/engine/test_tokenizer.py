"""The bundled vocabulary, read through the only wrapper."""

from __future__ import annotations

import time
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers

from engine.models.catalog import BUNDLED
from engine.models.vocabulary import Vocabulary
from engine.request import EngineError
from engine.tokenizer import AFTER_BREAK, BEFORE_BREAK, LONGEST_CACHED, Tokenizer

TOKENIZER = Tokenizer(BUNDLED / "tokenizer.json")
REFERENCE = Backend.from_file(str(BUNDLED / "tokenizer.json"))
REFERENCE.encode_special_tokens = True
REFERENCE.normalizer = None
WRITABLE = {
    text[0] for id_ in range(TOKENIZER.vocab_size) if len(text := TOKENIZER.token_bytes(id_)) == 1
}
"""Bytes with a token."""

BREAKS = st.sampled_from(
    [
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        " ",
        "    ",
        "\t",
        "\xa0",
        *"\x0b\x0c\x1c\x1f\x85\u1680\u180e\u2003\u200b\u2028\u2029\u3000\ufeff",
    ]
)
WORDS = st.sampled_from(
    [
        "def f(x):",
        "};",
        "a1",
        "12",
        "'s",
        "'LL",
        "<|im_end|>",
        "_",
        "é",
        "e\u0301",
        "日本",
        "😀",
        "):\n",
    ]
)
CODE = st.lists(BREAKS | WORDS | st.characters(exclude_categories=["Cs"]), max_size=40).map("".join)


def whole(text: str) -> list[int]:
    """The obvious way: the library, all at once, no cache."""
    return list(REFERENCE.encode(text, add_special_tokens=False).ids)


def gpt2_like() -> Backend:
    """Bytes, words as GPT-2 cuts them, and the line break joined to the indentation behind it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [
        ("Ġ", "Ġ"),
        ("Ċ", "Ġ"),
        ("ĊĠ", "ĠĠ"),
        ("Ċ", "Ċ"),
        ("d", "e"),
        ("de", "f"),
        ("Ġ", "def"),
    ]
    tokens = [*letters, *(left + right for left, right in merges)]
    backend = Backend(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend


@pytest.fixture(scope="module", autouse=True)
def _gpt2_like(tmp_path_factory: pytest.TempPathFactory) -> None:
    global GPT2_LIKE
    path = tmp_path_factory.mktemp("gpt2-like") / "tokenizer.json"
    gpt2_like().save(str(path))
    GPT2_LIKE = Tokenizer(path)


GPT2_LIKE: Tokenizer


@settings(max_examples=300, deadline=None)
@given(CODE)
def test_line_breaks_before_words_and_still_in_chunks_as_in_one_piece(text: str) -> None:
    chunks = GPT2_LIKE.chunks(text)
    assert chunks == (BEFORE_BREAK.split(text) if text else [])
    assert GPT2_LIKE.encode(text) == list(GPT2_LIKE._encode(text))
    assert GPT2_LIKE.decode(GPT2_LIKE.encode(text)) == text


@settings(max_examples=300, deadline=None)
@given(CODE)
def test_in_chunks_as_in_one_piece(text: str) -> None:
    chunks = TOKENIZER.chunks(text)
    assert "".join(chunks) == text
    assert chunks == (AFTER_BREAK.split(text) if text else [])
    assert TOKENIZER.encode(text) == whole(text)
    assert [i for chunk in chunks for i in TOKENIZER.encode_chunk(chunk)] == whole(text)


@settings(max_examples=300, deadline=None)
@given(CODE)
def test_nothing_is_lost_on_the_way_there_and_back(text: str) -> None:
    text = "".join(letter for letter in text if set(letter.encode()) <= WRITABLE)
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    assert TOKENIZER.decode_bytes(ids) == text.encode()
    assert b"".join(TOKENIZER.token_bytes(id_) for id_ in ids) == text.encode()


def qwen_like() -> Vocabulary:
    """Bytes, and every merge that could tell a wrong cut: line breaks joined to what is around."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    breaks = [("Ċ", "Ċ"), ("č", "Ċ"), ("Ġ", "Ġ"), ("Ċ", "Ġ"), ("Ġ", "Ċ"), ("Ċ", "č"), ("č", "č")]
    joins = [(";", "Ċ"), (")", ":"), ("):", "Ċ"), ("}", ";"), ("};", "Ċ"), (")", "ĊĊ"), ("Ċ", "ĉ")]
    words = [
        ("d", "e"),
        ("de", "f"),
        ("Ġ", "f"),
        ("Ġ", "def"),
        ("Ċ", "def"),
        ("ċ", "Ċ"),
        ("Â", "ł"),
    ]
    merges = (*breaks, *joins, *words)
    tokens = (*letters, *(left + right for left, right in merges), "<|im_end|>")
    return Vocabulary(tokens, merges, ("<|im_end|>",))


@pytest.fixture(scope="module", autouse=True)
def _qwen_like(tmp_path_factory: pytest.TempPathFactory) -> None:
    global QWEN_LIKE
    path = tmp_path_factory.mktemp("qwen-like") / "tokenizer.json"
    qwen_like().backend().save(str(path))
    QWEN_LIKE = Tokenizer(path)


QWEN_LIKE: Tokenizer


@settings(max_examples=1000, deadline=None)
@given(CODE)
def test_line_breaks_in_tokens_and_still_in_chunks_as_in_one_piece(text: str) -> None:
    chunks = QWEN_LIKE.chunks(text)
    assert "".join(chunks) == text
    assert chunks == (AFTER_BREAK.split(text) if text else [])
    assert QWEN_LIKE.encode(text) == list(QWEN_LIKE._encode(text))
    assert QWEN_LIKE.decode(QWEN_LIKE.encode(text)) == text
    words = [word for chunk in chunks for word in QWEN_LIKE._words(chunk)]
    assert words == QWEN_LIKE._words(text)  # so it holds for whatever merges there are


@settings(max_examples=300, deadline=None)
@given(CODE, st.integers(0, 200))
def test_the_next_place_to_cut(text: str, start: int) -> None:
    for tokenizer in (TOKENIZER, QWEN_LIKE, GPT2_LIKE):
        ends = list(accumulate(map(len, tokenizer.chunks(text))))[:-1]
        assert tokenizer.find_cut(text, start) == next((e for e in ends if e >= start), None)


def test_a_token_with_a_line_break_ends_its_chunk() -> None:
    text = "def f(x):\n\n    y;\n"
    assert QWEN_LIKE.chunks(text) == ["def f(x):\n\n", "    y;\n"]
    assert b";\n" in [QWEN_LIKE.token_bytes(id_) for id_ in QWEN_LIKE.encode(text)]


def test_accents_are_not_composed(tmp_path: Path) -> None:
    backend = qwen_like().backend()
    backend.normalizer = normalizers.NFC()
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer(tmp_path / "tokenizer.json")
    assert tokenizer.decode(tokenizer.encode("e\u0301 \u212b")) == "e\u0301 \u212b"


def test_every_character_there_is() -> None:
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    assert QWEN_LIKE.decode(QWEN_LIKE.encode(text)) == text


@pytest.mark.parametrize(
    ("text", "word", "one_token"),
    [
        ("", "", ""),
        ("x=de", "=de", "de"),  # `def` begins so
        ("x d", " d", " d"),  # two tokens, and yet ` def` is one
        ("xd", "xd", "d"),  # no token begins with `xd`
        ("x;", ";", ";"),  # `;` and the line break are one token
        ("x;\n", "", ""),
        ("x;\r\n\r\n", "", ""),
        ("    ", " ", " "),
        ("x = 12", "", ""),
        ("\xa0", "", ""),
    ],
)
def test_what_is_written_again(text: str, word: str, one_token: str) -> None:
    assert QWEN_LIKE.stump(text) == word
    assert QWEN_LIKE.stump(text, one_token=True) == one_token


def test_a_line_break_is_written_again_where_tokens_join_it_to_indentation() -> None:
    assert GPT2_LIKE.stump("x:\n") == "\n"
    assert TOKENIZER.stump("x:\n") == ""


@settings(max_examples=300, deadline=None)
@given(CODE)
def test_what_is_written_again_ends_the_text_and_a_longer_token_begins_so(text: str) -> None:
    for tokenizer in (TOKENIZER, QWEN_LIKE, GPT2_LIKE, GEMMA_LIKE):
        word, stump = tokenizer.stump(text), tokenizer.stump(text, one_token=True)
        assert text.endswith(word)
        assert word.endswith(stump)
        assert bool(word) == bool(stump)
        if stump:
            longer = tokenizer.ids_with_prefix(stump.encode())
            assert any(tokenizer.token_bytes(id_) != stump.encode() for id_ in longer)


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=6).map(str.encode) | st.sampled_from([b" def", b"\n    ", b"return"]))
def test_ways_on_are_the_ids_that_agree_with_what_is_to_come(rest: bytes) -> None:
    for tokenizer in (TOKENIZER, GPT2_LIKE):
        expected = [
            id_
            for id_ in range(tokenizer.vocab_size)
            if (text := tokenizer.token_bytes(id_))
            and rest
            and (text.startswith(rest) or rest.startswith(text))
        ]
        assert tokenizer.ways_on(rest) == expected


def test_every_byte_has_a_token() -> None:
    assert set(range(256)) == WRITABLE


def test_real_code_is_cut_into_lines() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert len(TOKENIZER.chunks(text)) > text.count("\n\n")
    assert TOKENIZER.encode(text) == whole(text)
    crossed = text.replace("\n", "\r\n")
    assert len(TOKENIZER.chunks(crossed)) == len(TOKENIZER.chunks(text))
    assert TOKENIZER.encode(crossed) == whole(crossed)


def test_special_tokens_in_the_text_are_only_text() -> None:
    text = 'stop = "<|im_end|>" + "<|endoftext|>" + "<|file_sep|>"'
    ids = TOKENIZER.encode(text)
    assert not set(ids) & {TOKENIZER.id_of(name) for name in ("<|im_end|>", "<|endoftext|>", "<|file_sep|>")}  # fmt: skip
    assert TOKENIZER.decode(ids) == text


def test_special_tokens_have_no_text() -> None:
    end = TOKENIZER.id_of("<|endoftext|>")
    assert end is not None
    assert TOKENIZER.token_bytes(end) == b""
    assert TOKENIZER.decode([end, *TOKENIZER.encode("a"), end]) == "a"


def test_digits_stand_alone() -> None:
    assert [TOKENIZER.token_bytes(id_) for id_ in TOKENIZER.encode("1234")] == [b"1", b"2", b"3", b"4"]  # fmt: skip


def test_an_unfinished_character_at_the_end_is_held_back() -> None:
    ids = TOKENIZER.encode("ok \U0001f9d1\U0001f3fd")
    assert len(ids) > 4
    shown = [TOKENIZER.decode(ids[:count]) for count in range(len(ids) + 1)]
    assert "\ufffd" not in "".join(shown)
    assert shown[-1] == "ok \U0001f9d1\U0001f3fd"


def test_bytes_that_are_no_text_are_replaced() -> None:
    lone = [id_ for id_ in range(TOKENIZER.vocab_size) if TOKENIZER.token_bytes(id_) == b"\x80"]
    assert TOKENIZER.decode([*lone, *TOKENIZER.encode("a")]) == "\ufffda"


@pytest.mark.parametrize(
    "prefix", [b"pri", b"\n", b" ", b"\xe6", b"print", b"zzzzzz", "日".encode()]
)
def test_ids_with_a_prefix(prefix: bytes) -> None:
    expected = [
        id_ for id_ in range(TOKENIZER.vocab_size) if TOKENIZER.token_bytes(id_).startswith(prefix)
    ]
    assert TOKENIZER.ids_with_prefix(prefix) == expected


def test_newline_ids() -> None:
    expected = {
        id_ for id_ in range(TOKENIZER.vocab_size) if set(TOKENIZER.token_bytes(id_)) & set(b"\r\n")
    }
    assert set(TOKENIZER.newline_ids) == expected
    assert len(expected) > 10


def test_a_chunk_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer(BUNDLED / "tokenizer.json")
    text = "\n".join(f"line_{number} = {number}" for number in range(2000))
    tokenizer.encode(text)
    seen = []
    encode = tokenizer._backend.encode

    class Watched:
        def encode(self, text: str, *, add_special_tokens: bool) -> object:
            seen.append(text)
            return encode(text, add_special_tokens=add_special_tokens)

    monkeypatch.setattr(tokenizer, "_backend", Watched())
    assert tokenizer.encode(text + "x") == whole(text + "x")
    assert seen == ["line_1999 = 1999x"]


def test_a_very_long_line_is_not_kept() -> None:
    tokenizer = Tokenizer(BUNDLED / "tokenizer.json")
    held = tokenizer._cached.cache_info().currsize
    assert tokenizer.encode("x" * (LONGEST_CACHED + 1)) == whole("x" * (LONGEST_CACHED + 1))
    assert tokenizer._cached.cache_info().currsize == held


@pytest.mark.parametrize("text", ["", "not json", "{}"])
def test_a_broken_file_is_named_with_the_cure(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(text)
    with pytest.raises(EngineError, match=r"tokenizer\.json.*[Rr]einstall"):
        Tokenizer(path)


def test_a_missing_file_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"tokenizer\.json.*[Rr]einstall"):
        Tokenizer(tmp_path / "tokenizer.json")


def test_a_vocabulary_that_joins_semicolon_and_line_break_is_refused(tmp_path: Path) -> None:
    """Cut into lines it would give other ids, silently."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate(letters)} | {";Ċ": 256}
    backend = Backend(models.BPE(vocab=vocabulary, merges=[(";", "Ċ")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(EngineError, match="GPT-2"):
        Tokenizer(tmp_path / "tokenizer.json")


def fallback(extra: dict[str, int], merges: list[tuple[str, str]]) -> Backend:
    """A small vocabulary of Gemma's kind, and some more tokens."""
    tokens = [
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        "▁▁",
        "\n",
        "\n\n",
        ";",
        "a",
        "b",
        "ab",
    ]
    vocabulary = {token: index for index, token in enumerate(tokens)} | extra
    joins = [("▁", "▁"), ("\n", "\n"), ("a", "b"), *merges]
    backend = Backend(models.BPE(vocab=vocabulary, merges=joins, byte_fallback=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    backend.add_special_tokens(["<eos>"])
    return backend


@pytest.fixture(scope="module")
def gemma_like(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("gemma-like") / "tokenizer.json"
    fallback({}, []).save(str(path))
    return Tokenizer(path)


@settings(max_examples=200, deadline=None)
@given(CODE)
def test_a_vocabulary_with_byte_fallback_loses_nothing(text: str) -> None:
    text = text.replace("▁", "_")
    ids = GEMMA_LIKE.encode(text)
    assert GEMMA_LIKE.decode_bytes(ids) == text.encode()
    assert ids == list(GEMMA_LIKE._encode(text))  # in chunks as in one piece


@pytest.fixture(scope="module", autouse=True)
def _gemma_like(gemma_like: Tokenizer) -> None:
    """Hypothesis refuses function-scoped fixtures; this one is shared by all its examples."""
    global GEMMA_LIKE
    GEMMA_LIKE = gemma_like


GEMMA_LIKE: Tokenizer


def test_bytes_and_specials_of_a_vocabulary_with_byte_fallback(gemma_like: Tokenizer) -> None:
    assert gemma_like.token_bytes(0x0A) == b"\n"
    assert gemma_like.decode(gemma_like.encode("  ab\n\n日")) == "  ab\n\n日"
    eos = gemma_like.id_of("<eos>")
    assert eos is not None
    assert gemma_like.token_bytes(eos) == b""
    assert eos not in gemma_like.encode("<eos>")
    assert 0x0A in gemma_like.newline_ids
    assert set(gemma_like.ids_with_prefix(b" ")) == {
        gemma_like.id_of(token) for token in ("<0x20>", "▁", "▁▁")
    }


def test_a_token_across_the_place_of_a_cut_is_refused(tmp_path: Path) -> None:
    fallback({";\n": 264}, [(";", "\n")]).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(EngineError, match="byte fallback"):
        Tokenizer(tmp_path / "tokenizer.json")


def test_another_kind_of_vocabulary_is_refused(tmp_path: Path) -> None:
    Backend(models.WordLevel({"a": 0}, "a")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(EngineError, match="byte fallback"):
        Tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.slow
def test_a_keystroke_in_a_long_file_costs_little() -> None:
    text = "\n".join(f"    value_{number} = compute({number})" for number in range(20_000))
    TOKENIZER.encode(text[-50_000:])
    start = time.perf_counter()
    TOKENIZER.encode(text[-50_000:] + "x")
    assert time.perf_counter() - start < 0.005
