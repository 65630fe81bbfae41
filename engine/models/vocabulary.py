"""A smaller vocabulary of byte-level BPE: which tokens stay, and how they are numbered anew.

A token stays with every token that its merges pass through, so that any text whose ids all stay is
given the same ids, in the new numbers; other text falls into smaller tokens that stay, at worst
into bytes. Knows no files, no weights and no texts, only how often each id was counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers

QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The pieces inside which Qwen2 merges bytes (`tokenizer.json` of Qwen2.5-Coder)."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens by id, in the letters of byte-level BPE, and how they come about."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    """In the order in which they are tried. Each makes another token, whose id is larger than its
    parts'."""
    specials: tuple[str, ...]
    """Tokens that no text is read as; all others are single bytes or made by a merge."""

    def cut(self, counts: npt.NDArray[np.int64] | npt.NDArray[np.float64], size: int) -> list[int]:
        """The ids that stay, ascending, exactly `size` of them: all specials and bytes, then the
        most counted tokens with those that they are made of. `counts` [tokens].

        ValueError where `size` is not more than the specials and bytes, or more than there are.
        """
        ids = {token: id_ for id_, token in enumerate(self.tokens)}
        parts = {ids[a + b]: (ids[a], ids[b]) for a, b in self.merges}
        named = {ids[token] for token in self.specials}
        kept = named | {id_ for token, id_ in ids.items() if len(token) == 1}
        if not len(kept) < size <= len(kept | parts.keys()):
            raise ValueError(f"{size} is not between {len(kept)} and {len(kept | parts.keys())}")
        made = np.array(sorted(parts.keys() - named))
        # Of equal counts the earlier merge first: it was the more frequent when they were learned.
        for token in made[np.argsort(-np.asarray(counts)[made], kind="stable")].tolist():
            lineage = _lineage(token, parts) - kept
            if len(kept) + len(lineage) <= size:
                kept |= lineage
            if len(kept) == size:
                break
        return sorted(kept)

    def keep(self, old_ids: Sequence[int]) -> Vocabulary:
        """The same with these tokens only, numbered in this order."""
        tokens = tuple(self.tokens[id_] for id_ in old_ids)
        kept = set(tokens)
        return Vocabulary(
            tokens,
            tuple((a, b) for a, b in self.merges if a + b in kept),
            tuple(token for token in self.specials if token in kept),
        )

    def backend(self) -> tokenizers.Tokenizer:
        """What `tokenizer.json` holds. Unlike Qwen2's own it does not normalize the text first, so
        that all text is read back as it was."""
        ids = {token: id_ for id_, token in enumerate(self.tokens)}
        backend = tokenizers.Tokenizer(models.BPE(vocab=ids, merges=list(self.merges)))
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN2_WORDS), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        backend.decoder = decoders.ByteLevel()
        backend.add_special_tokens(list(self.specials))
        return backend


def _lineage(token: int, parts: dict[int, tuple[int, int]]) -> set[int]:
    """A token and all that it is made of."""
    found, open_ = {token}, [token]
    while open_:
        for part in parts.get(open_.pop(), ()):
            if part not in found:
                found.add(part)
                open_.append(part)
    return found
