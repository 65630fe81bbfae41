"""Documents to train on, as `infill-lsp train data` packs them: JSON lines in xz files."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.models.catalog import BUNDLED
from engine.request import EngineError
from engine.tokenizer import Tokenizer

Split = Literal["train", "heldout"]
Spans = Mapping[str, list[tuple[int, int]]]
"""Places that a syntax tree found, by kind: [start, end) in code points."""


@dataclass(frozen=True, slots=True)
class Document:
    """One source file, or a part of a long one."""

    path: str
    language: str
    text: str
    spans: Spans = field(default_factory=dict)


def read_corpus(folder: Path, split: Split) -> list[Document]:
    """All documents of one split, in the files' order. EngineError says which file is damaged."""
    paths = sorted(folder.glob(f"{split}-*.jsonl.xz"))
    if not paths:
        raise EngineError(
            f"There is no {split}-*.jsonl.xz in {folder}. Make it with `infill-lsp train data`."
        )
    documents = []
    for path in paths:
        try:
            with lzma.open(path, "rt", encoding="utf-8") as lines:
                documents += [_document(json.loads(line)) for line in lines]
        except (lzma.LZMAError, EOFError, ValueError, KeyError) as error:
            raise EngineError(
                f"{path} is damaged ({error}). Delete it and run `infill-lsp train data` again."
            ) from error
    return documents


def _document(row: dict[str, object]) -> Document:
    path, language, text, spans = (row[name] for name in ("path", "language", "text", "spans"))
    if not isinstance(spans, dict):
        raise ValueError(f"spans of {path} are not an object")
    return Document(str(path), str(language), str(text), spans)


def token_counter() -> Callable[[str], int]:
    """Counts a text's tokens as the bundled model sees them."""
    tokenizer = Tokenizer(BUNDLED / "tokenizer.json")
    return lambda text: len(tokenizer.encode(text))
