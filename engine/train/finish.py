"""What stands at a run's end: a folder to load, what storing it cost, and a card that says all that
is known. Every number in the card comes from a file beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from engine.models.block_llama import BlockLlama
from engine.models.weights import read_config
from engine.request import EngineError
from engine.tokenizer import Tokenizer
from engine.train import storage_loss
from engine.train.card import CardFacts, model_card
from engine.train.checkpoint import STATE
from engine.train.corpus import Document
from engine.train.export import Form, export, write_card

CHECKPOINT, LOG, MODEL = "checkpoint", "log.jsonl", "model"
STORAGE, SCORES = "storage.json", "scores.jsonl"
"""Names in a run's folder. Scores are the lines that `infill-lsp eval` prints."""
ROWS, ROW_TOKENS = 8, 256
"""Held-out text over which the loss of storing is measured."""
WEAKNESSES = """\
- Small: it knows common idioms, and guesses names and facts that stand nowhere near the gap.
- The longer a gap, the less of it is right.
- Languages with a small share of the data are written worst.
- After a short training it may repeat the line that follows the gap; such fills are dropped.
"""


def export_measured(
    model: BlockLlama, origin: Path, out: Path, linears: Form, documents: Sequence[Document]
) -> None:
    """Write `out/model`, and beside it what storing it cost over the beginnings of `documents`.

    origin: the folder of the model that was trained.
    """
    export(model, origin, out / MODEL, linears=linears, card="Not measured yet.\n")
    rows = text_rows(documents, Tokenizer(origin / "tokenizer.json"))
    losses = storage_loss.measure(model, {linears: out / MODEL}, rows)
    (out / STORAGE).write_text(storage_loss.to_json(losses), encoding="utf-8")


def describe(out: Path, corpus: Path, *, began: str, device: str) -> None:
    """Write the card of `out/model` anew, from what lies in `out` and in the corpus."""
    scores = out / SCORES
    facts = CardFacts(
        title=read_config(out / MODEL).spec.name,
        origin=began,
        device=device,
        weaknesses=WEAKNESSES,
        model=out / MODEL,
        state=out / CHECKPOINT / STATE,
        log=out / LOG,
        manifest=corpus / "manifest.json",
        scores=scores if scores.exists() else None,
        storage=out / STORAGE,
    )
    write_card(out / MODEL, model_card(facts))


def text_rows(documents: Sequence[Document], tokenizer: Tokenizer) -> Tensor:
    """[ROWS or fewer, ROW_TOKENS] int64: the beginnings of documents that are long enough. EngineError
    where none is."""
    rows = list(islice(_beginnings(documents, tokenizer), ROWS))
    if not rows:
        raise EngineError(
            f"No document has {ROW_TOKENS} tokens: the corpus is too small to measure the model."
        )
    return torch.tensor(rows)


def _beginnings(documents: Sequence[Document], tokenizer: Tokenizer) -> Iterator[list[int]]:
    for document in documents:
        ids = tokenizer.encode(document.text[: ROW_TOKENS * 8])
        if len(ids) >= ROW_TOKENS:
            yield ids[:ROW_TOKENS]
