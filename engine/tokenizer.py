"""Text to token ids and back: the only file that knows the `tokenizers` library.

For two kinds of BPE vocabulary: byte-level, cut into words as GPT-2 or as Qwen2 does, and with byte
fallback, as Gemma's, which writes `▁` for a space and `<0x0A>` for a byte without a token. It knows
no model, no budget and no prompt. Special tokens are ids that only the engine puts into a sequence:
no text is ever read as one, and none is written as text.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path

import tokenizers

from engine.request import EngineError

BEFORE_BREAK = re.compile(r"(?<=\S)(?=\r?\n)")
"""Between a character that is no white space and a line break. Words as GPT-2 cuts them never span
such a place, nor do they depend on what is beyond it, so that text may be cut there and encoded in
pieces with the same result. With byte fallback nothing is cut before BPE, but no token spans it."""
AFTER_BREAK = re.compile(r"(?<=[\r\n])(?=[^\S\r\n]*\S)")
"""The start of each line that is not blank. The same holds there for words as Qwen2 (and Llama 3)
cuts them: one may take a line break and the blank lines behind it (`);\\n\\n`), yet it always ends
with the last of these breaks, for indentation belongs to the line that it indents."""
CUT_PROBES = (
    "f(x);\n\n  };\r\n\tb = 1\n",
    "a\n b \n\n\n\t\tc'll\n \n  \n    d.\r\n\r\n'e\r f,\x0b\n\x0c\n\xa0g\u2028\n\x85\n-h\n  ",
)
BYTE_TOKEN = re.compile("<0x([0-9A-F]{2})>")
CACHED_CHUNKS = 16384
CACHED_PREFIXES = 64
LONGEST_STUMP = 256
"""Characters looked at from the end of a text to find its last word."""
LONGEST_CACHED = 1000
"""Characters. Longer chunks (generated code, data) are rare, and would make the cache heavy."""


class Tokenizer:
    """The vocabulary of one model. Ids that have no text (specials, unused) stand for no bytes."""

    def __init__(self, path: Path) -> None:
        """Read a `tokenizer.json`; EngineError where that cannot be done."""
        try:
            self._backend = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise EngineError(
                f"Cannot read the tokenizer {path}: {error}. Reinstall it."
            ) from error
        # Without this, "<|im_end|>" in the user's text would end the text for the model.
        self._backend.encode_special_tokens = True
        self._cached = lru_cache(CACHED_CHUNKS)(self._encode)
        self._with_prefix = lru_cache(CACHED_PREFIXES)(self._find_prefix)
        self._byte_level = isinstance(self._backend.decoder, tokenizers.decoders.ByteLevel)
        if self._byte_level:
            # Every text has bytes as it stands; Qwen2's own would compose letters and accents.
            self._backend.normalizer = None
        cut = self._find_cut()
        if cut is None:
            raise EngineError(
                f"The tokenizer {path} is neither byte-level BPE that cuts text as GPT-2 or Qwen2 "
                "nor BPE with byte fallback as Gemma's. Use a model whose tokenizer is."
            )
        self._cut = cut

    def _find_cut(self) -> re.Pattern[str] | None:
        """Where text may be cut and encoded in pieces; None for an unknown kind of vocabulary."""
        if not self._byte_level:
            model = self._backend.model
            if not (isinstance(model, tokenizers.models.BPE) and model.byte_fallback):
                return None
            if any(
                b"\n" in text and BEFORE_BREAK.search(text.decode("utf-8", "replace"))
                for text in self._bytes
            ):
                return None
        if any(self.decode_bytes(self._encode(text)) != text.encode() for text in CUT_PROBES):
            return None
        return next((cut for cut in (BEFORE_BREAK, AFTER_BREAK) if self._is_exact(cut)), None)

    def _is_exact(self, cut: re.Pattern[str]) -> bool:
        """Whether the probes, cut so, consist of the same words as in one piece."""
        return all(
            self._words(text) == [word for part in cut.split(text) for word in self._words(part)]
            for text in CUT_PROBES
        )

    def _words(self, text: str) -> list[object]:
        """The pieces of which BPE makes tokens one by one; the tokens, where it takes all at once."""
        words = self._backend.pre_tokenizer
        if not self._byte_level or words is None:
            return list(self._encode(text))
        return [word for word, _ in words.pre_tokenize_str(text)]

    @property
    def vocab_size(self) -> int:
        return self._backend.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """The ids of `text` as it stands: no special tokens added, and none parsed.

        Characters whose bytes the vocabulary lacks (a few control characters) are left out.
        """
        return [id_ for chunk in self.chunks(text) for id_ in self.encode_chunk(chunk)]

    def chunks(self, text: str) -> list[str]:
        """Cut `text` (about one chunk a line) so that its ids are its chunks' ids, joined.

        A chunk begins with the line break that ends the line before, or, where the vocabulary has
        line breaks in the tokens of what stands before them, ends with its own.
        """
        if "\r" in text or not text:
            return self._cut.split(text) if text else []
        # The same for text without carriage returns, in a third of the time.
        first, *lines = text.split("\n")
        chunks = [first]
        if self._cut is AFTER_BREAK:
            for line in lines:
                chunks[-1] += "\n"
                if line and not line.isspace():
                    chunks.append(line)
                else:
                    chunks[-1] += line
            return chunks
        for line in lines:
            if chunks[-1] and not chunks[-1][-1].isspace():
                chunks.append("\n" + line)
            else:
                chunks[-1] += "\n" + line
        return chunks

    def find_cut(self, text: str, start: int) -> int | None:
        """The first place from `start` on where a chunk of `text` ends and another begins."""
        found = self._cut.search(text, start)
        return found.start() if found else None

    def encode_chunk(self, chunk: str) -> tuple[int, ...]:
        """The ids of one of `chunks`; those seen lately are not computed again."""
        return self._cached(chunk) if len(chunk) <= LONGEST_CACHED else self._encode(chunk)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`. A character whose last bytes are missing at the end is held back;
        other bytes that are not UTF-8 become U+FFFD."""
        return codecs.getincrementaldecoder("utf-8")("replace").decode(self.decode_bytes(ids))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(self._bytes[id_] for id_ in ids)

    def token_bytes(self, id_: int) -> bytes:
        """What one id stands for; b"" for an id without text."""
        return self._bytes[id_]

    def ids_with_prefix(self, prefix: bytes) -> list[int]:
        """All ids whose bytes start with `prefix`, in ascending order; none for no prefix."""
        return self._with_prefix(prefix) if prefix else []

    def _find_prefix(self, prefix: bytes) -> list[int]:
        first = bisect_left(self._sorted, (prefix, -1))
        found = []
        for text, id_ in self._sorted[first:]:
            if not text.startswith(prefix):
                break
            found.append(id_)
        return sorted(found)

    def stump(self, text: str, one_token: bool = False) -> str:
        """The end of `text` that is best written again, so that its tokens come out as they would with
        what comes next; "" where they stay as they are whatever comes.

        Inside a word it is the word: `retur` is two tokens and `return` one. one_token: as much of it as
        another token begins with, for who must write it in one. Of white space it is the last
        character only, for that goes with the next word and the rest of an indentation does not. After a
        line break it is nothing, unless the vocabulary joins line breaks to the indentation behind them.
        """
        if not text or (self._cut is AFTER_BREAK and text[-1] in "\r\n"):
            return ""
        word = text[-1] if text[-1].isspace() else self._last_word(text[-LONGEST_STUMP:])
        rest = word.encode()
        for id_ in self._encode(word):
            whole = rest[0] & 0xC0 != 0x80  # no character is cut in two
            if whole and any(self._bytes[longer] != rest for longer in self.ids_with_prefix(rest)):
                return rest.decode() if one_token else word
            rest = rest[len(self._bytes[id_]) :]
        return ""

    def ways_on(self, rest: bytes) -> list[int]:
        """The ids with which a text can be written that begins with `rest`: those that begin with it, and
        those that it begins with."""
        starts = (rest[:end] for end in range(1, len(rest)))
        shorter = [id_ for text in starts if (id_ := self._id_of_bytes(text)) is not None]
        return sorted({*shorter, *self.ids_with_prefix(rest)})

    def _id_of_bytes(self, text: bytes) -> int | None:
        place = bisect_left(self._sorted, (text, -1))
        found = place < len(self._sorted) and self._sorted[place][0] == text
        return self._sorted[place][1] if found else None

    def _last_word(self, text: str) -> str:
        """The last piece that BPE makes tokens of by itself; the last token, where it takes all."""
        line = self.chunks(text)[-1]
        words = self._backend.pre_tokenizer
        if self._byte_level and words is not None:
            return line[words.pre_tokenize_str(line)[-1][1][0] :]
        last = self._bytes[self._encode(line)[-1]].decode("utf-8", "replace")
        return last if line.endswith(last) else ""

    @cached_property
    def newline_ids(self) -> tuple[int, ...]:
        """The ids whose text has a line break (\\n or \\r) in it."""
        return tuple(i for i, text in enumerate(self._bytes) if b"\n" in text or b"\r" in text)

    def id_of(self, special: str) -> int | None:
        """The id of a token by its name in the vocabulary, e.g. `<|endoftext|>`."""
        return self._backend.token_to_id(special)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._backend.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _bytes(self) -> list[bytes]:
        vocabulary = self._backend.get_vocab()
        added = self._backend.get_added_tokens_decoder()
        table = [b""] * (max(vocabulary.values()) + 1)
        for token, id_ in vocabulary.items():
            if id_ in added and added[id_].special:
                continue
            if not self._byte_level:
                table[id_] = _fallback_bytes(token)
            elif id_ in added:
                table[id_] = token.encode()
            else:
                table[id_] = bytes(BYTE_OF_LETTER[letter] for letter in token)
        return table

    @cached_property
    def _sorted(self) -> list[tuple[bytes, int]]:
        return sorted((text, id_) for id_, text in enumerate(self._bytes) if text)


def _fallback_bytes(token: str) -> bytes:
    """What a token of a vocabulary with byte fallback stands for. Of the user's own `▁` is made a
    space, as everywhere with these vocabularies."""
    byte = BYTE_TOKEN.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace("▁", " ").encode()


def _byte_of_letter() -> dict[str, int]:
    """Byte-level vocabularies write each byte as one visible letter: printable Latin-1 as itself,
    the 68 others as letters from U+0100 on, in order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + index): byte for index, byte in enumerate(others)
    }


BYTE_OF_LETTER = _byte_of_letter()
