"""Cut a Qwen2 model's vocabulary to what a corpus uses.

    python -m engine.train.vocabulary MODEL.gguf CORPUS OUT [TEXTS …]

CORPUS is a folder made by `infill-lsp train data`; each of TEXTS is a file or folder of further
text (documentation, configuration). Writes `OUT/tokenizer.json` and `OUT/old_ids.json` (a list:
new id → old id), and prints how much of the corpus's held-out text keeps its ids, by language.
For developers (it needs the `dev` extra).
"""

from __future__ import annotations

import argparse
import json
import lzma
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import tokenizers

from engine.models.vocabulary import Vocabulary

SIZE = 51_968
"""Tokens that stay: all that fits beside the layers in the bundled model; a multiple of 64."""
SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
"""Qwen2.5-Coder's tokens with a role in filling or chat. The others (vision, tools) go."""
LONGEST_FILE = 1_000_000

Counts = npt.NDArray[np.int64]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.train.vocabulary", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("texts", type=Path, nargs="*")
    parser.add_argument("--size", type=int, default=SIZE)
    options = parser.parse_args(arguments)
    whole = read_vocabulary(gguf.GGUFReader(options.model))
    backend = whole.backend()
    backend.encode_special_tokens = True
    packages = count_by(shards(options.corpus, "train", "package"), backend)
    sources = [*packages.values(), *(count(texts_of(path), backend) for path in options.texts)]
    old_ids = whole.cut(usefulness(sources), options.size)
    options.out.mkdir(parents=True, exist_ok=True)
    whole.keep(old_ids).backend().save(str(options.out / "tokenizer.json"))
    (options.out / "old_ids.json").write_text(json.dumps(old_ids), "utf-8")
    small = tokenizers.Tokenizer.from_file(str(options.out / "tokenizer.json"))
    small.encode_special_tokens = True
    by_language: dict[str, list[str]] = defaultdict(list)
    for language, text in shards(options.corpus, "heldout", "language"):
        by_language[language].append(text)
    for language, texts in sorted(by_language.items()):
        same, total = unchanged(texts, backend, small, old_ids)
        print(
            f"{language:12} {total:>12,} characters, {100 * same / max(1, total):7.3f} % as before"
        )


def read_vocabulary(reader: Any) -> Vocabulary:
    """All of a GGUF file's vocabulary."""
    merges = (merge.split(" ") for merge in reader.fields["tokenizer.ggml.merges"].contents())
    return Vocabulary(
        tuple(reader.fields["tokenizer.ggml.tokens"].contents()),
        tuple((left, right) for left, right in merges),
        SPECIALS,
    )


def usefulness(sources: Iterable[Counts]) -> npt.NDArray[np.float64]:
    """How much a token is used, over all sources [tokens]. By the square root of its count in each:
    a name that one package writes a thousand times is worth less than a word that many write."""
    return sum((np.sqrt(counts) for counts in sources), np.zeros(1))


def shards(corpus: Path, split: str, key: str) -> Iterator[tuple[str, str]]:
    """One of a document's fields, and its text."""
    for path in sorted(corpus.glob(f"{split}-*.jsonl.xz")):
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                yield row[key], row["text"]


def texts_of(path: Path) -> Iterator[str]:
    """The UTF-8 files in a folder, or the one that is named."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and file.stat().st_size <= LONGEST_FILE:
            try:
                text = file.read_text("utf-8")
            except (UnicodeDecodeError, OSError):
                continue
            if "\0" not in text:
                yield text


def count(texts: Iterable[str], backend: tokenizers.Tokenizer) -> Counts:
    """How often each id comes [tokens]."""
    return count_by((("", text) for text in texts), backend).get("", np.zeros(0, np.int64))


def count_by(texts: Iterable[tuple[str, str]], backend: tokenizers.Tokenizer) -> dict[str, Counts]:
    """By the first of each pair: how often each id comes in the second."""
    size = backend.get_vocab_size()
    counts: dict[str, Counts] = defaultdict(lambda: np.zeros(size, np.int64))
    for key, text in texts:
        ids = backend.encode(text, add_special_tokens=False).ids
        np.add.at(counts[key], ids, 1)
    return counts


def unchanged(
    texts: Iterable[str], whole: tokenizers.Tokenizer, small: tokenizers.Tokenizer, old: list[int]
) -> tuple[int, int]:
    """Characters in words whose ids are the same in both vocabularies, and all characters."""
    words: Counter[str] = Counter()
    lengths: dict[str, int] = {}
    for text in texts:
        for word, (start, end) in whole.pre_tokenizer.pre_tokenize_str(text):
            words[word] += 1
            lengths[word] = end - start
    same = total = 0
    for word, times in words.items():
        total += times * lengths[word]
        before = [token.id for token in whole.model.tokenize(word)]
        if before == [old[token.id] for token in small.model.tokenize(word)]:
            same += times * lengths[word]
    return same, total
