"""What each choice of the recipe is worth: short runs that differ in one choice, judged alike.

    python -m engine.train.ablation CORPUS RESULTS.jsonl --steps 40 from_left=0.5 muon=true

Every run starts from the same weights and meets the same documents; all are judged on the same
held-out canvases, whatever their own recipe. A run that is in the file already is not run again: begin
a new file when the recipe itself has changed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.loading import find_folder
from engine.tokenizer import Tokenizer
from engine.train.batch import Batch, noised
from engine.train.corpus import Document, read_corpus
from engine.train.examples import UNDECIDED
from engine.train.forward import hidden_states, plain_attention
from engine.train.loop import Limit, Trainer
from engine.train.loss import loss_of
from engine.train.recipe import Recipe
from engine.train.run import recipe_of
from engine.train.start import backbone
from engine.train.stream import Stream, batches

JUDGE = Recipe(seed=1_000_003, from_left=0.5, all_noise=1.0, causal_share=1.0)
"""How every run is judged: canvases filled from left to right, and others that start from nothing."""
JUDGED = 16
"""Batches."""
SCORES = ("in_order", "from_nothing", "causal", "first", "ends")
BESIDE = ("change", "seed", "steps", "seconds", "tokens")
"""What a row has besides scores."""
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.train.ablation", description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("changes", nargs="+", metavar="NAME=VALUE[,NAME=VALUE]")
    parser.add_argument("--model", default="bundled", help="where every run starts")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    documents = read_corpus(arguments.corpus, "train")
    heldout = read_corpus(arguments.corpus, "heldout")
    for change in ["", *arguments.changes]:
        for seed in arguments.seeds:
            identity = {"change": change, "seed": seed, "steps": arguments.steps}
            if any(identity.items() <= row.items() for row in _rows(arguments.results)):
                continue
            recipe, start = _changed(change, seed), find_folder(arguments.model)
            scores = run(start, recipe, arguments.steps, documents, heldout)
            with arguments.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(identity | scores) + "\n")
    print(markdown(_rows(arguments.results)))


def run(
    start: Path, recipe: Recipe, steps: int, documents: Sequence[Document],
    heldout: Sequence[Document],
) -> dict[str, float]:  # fmt: skip
    """Train the model in `start` for some steps; the scores of what came out."""
    torch.manual_seed(recipe.seed)
    model = backbone(start, torch.device("cpu"), recipe)
    open_tokenizer = partial(Tokenizer, start / "tokenizer.json")
    trainer = Trainer(model, open_tokenizer, recipe)
    began = time.perf_counter()
    trainer.run(list(documents), Limit(steps=steps))
    seconds = time.perf_counter() - began
    stream = Stream(heldout, open_tokenizer, model.spec, JUDGE)
    return judged(trainer, islice(batches(stream, 0, 0), JUDGED)) | {
        "seconds": round(seconds, 1),
        "tokens": trainer.tokens,
    }


@torch.no_grad()
def judged(trainer: Trainer, dev: Iterator[Batch]) -> dict[str, float]:
    """Nats a slot where canvases are filled in order and where they start from nothing, and of the
    window's tokens; how often the likeliest token is right in the first slot, and at the end."""
    model, spec = trainer.model, trainer.spec
    nats: dict[str, list[Tensor]] = {name: [] for name in SCORES}
    for number, batch in enumerate(dev):
        noise = noised(batch, spec, JUDGE, torch.Generator().manual_seed(number))
        with torch.autocast("cpu", torch.bfloat16):
            hidden = hidden_states(
                model, noise.ids, batch.position, plain_attention(batch, noise.turn)
            )
            causal = loss_of(model, hidden, batch, noise, JUDGE).causal
            before = batch.free.roll(-1, 1)  # the logits of a slot stand at the position before it
            logits = model.embedding.logits(hidden[before])
        wanted, ordered = batch.ids[batch.free], (batch.turn != UNDECIDED)[batch.free]
        surprise = functional.cross_entropy(logits, wanted, reduction="none")
        right = (logits.argmax(-1) == wanted).float()
        first, end = (~batch.free.roll(1, 1))[batch.free], wanted == spec.delete_id
        nats["in_order"].append(surprise[ordered])
        nats["from_nothing"].append(surprise[~ordered & ~end])
        nats["causal"].append(causal[None])
        nats["first"].append(right[ordered & first])
        nats["ends"].append(right[ordered & end])
    return {name: float(torch.cat(values).mean()) for name, values in nats.items()}


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table: means over seeds, and the largest distance of a seed from its mean."""
    scores = [name for name in rows[0] if name not in BESIDE]
    names = ("change", "steps", "seeds", *scores, "seconds")
    lines = [" | ".join(names), " | ".join(["---", *["---:"] * (len(names) - 1)])]
    for change, steps in dict.fromkeys((row["change"], row["steps"]) for row in rows):
        same = [row for row in rows if (row["change"], row["steps"]) == (change, steps)]
        cells = [f"`{change}`" if change else "none", str(steps), str(len(same))]
        for name in (*scores, "seconds"):
            values = [row[name] for row in same]
            mean = statistics.fmean(values)
            spread = max(abs(value - mean) for value in values)
            cells.append(f"{mean:.3f} ±{spread:.3f}" if name in scores else f"{mean:.0f}")
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def _changed(change: str, seed: int) -> Recipe:
    pairs = [part.partition("=") for part in change.split(",") if part]
    return replace(recipe_of({name: value for name, _, value in pairs}), seed=seed)


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


if __name__ == "__main__":
    main()
