"""One command's worth of training: start or resume, train, save, export, draw the curves, describe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.models.loading import find_device, find_folder
from engine.models.weights import read_config
from engine.request import EngineError
from engine.tokenizer import Tokenizer
from engine.train import checkpoint, curves, finish
from engine.train.card import CURVES
from engine.train.corpus import read_corpus
from engine.train.distributed import ALONE, Ranks, joined, local_device
from engine.train.export import Form
from engine.train.finish import CHECKPOINT, LOG, MODEL
from engine.train.loop import Limit, Report, Trainer
from engine.train.recipe import Recipe
from engine.train.start import backbone

BEFORE = "| Trained before"
TRAINED = ("| Time |", "| Steps |", "| Tokens |")
DATA = re.compile(r"^\| trained on \| (\S+) \| (\S+) \| (\S+) \|$", re.MULTILINE)
ORIGIN = ("| Made by", "| Taken from", "| sha256 of that file", "| Changed")
"""Rows of a model card that say where its weights came from, and what its training took."""


def train(
    corpus: Path,
    out: Path,
    limit: Limit,
    *,
    start: str = "bundled",
    device: str = "auto",
    recipe: Recipe | None = None,
    workers: int = 0,
    every: float = 300.0,
    linears: Form = "q4",
    on_report: Callable[[Report], None] = lambda report: None,
) -> Path | None:
    """Train until the limit and export; returns the model's folder, which `engine.load` takes. None
    in all but the first of the processes that `torchrun` started.

    A checkpoint in `out` is resumed, with its own recipe unless one is given. start: the model that
    a new run begins with, by name or folder. workers: processes that make batches ahead. every:
    seconds between two looks at the held-out loss and saves. Curves are drawn where matplotlib is
    installed. EngineError says what is wrong.
    """
    folder, place = find_folder(start), local_device(find_device(device))
    documents, heldout = read_corpus(corpus, "train"), read_corpus(corpus, "heldout")
    resumed = checkpoint.exists(out / CHECKPOINT)
    if recipe is None:
        recipe = saved_recipe(out) if resumed else Recipe()

    def trainer_on(ranks: Ranks) -> Trainer:
        model = backbone(folder, place, recipe)
        open_tokenizer = partial(Tokenizer, folder / "tokenizer.json")
        compiled = place.type == "cuda"
        return Trainer(model, open_tokenizer, recipe, compiled=compiled, ranks=ranks)

    with joined(place) as ranks:
        trainer = trainer_on(ranks)
        out.mkdir(parents=True, exist_ok=True)
        if resumed:
            trainer.resume(out / CHECKPOINT)

        def report(line: Report) -> None:
            append_line(out / LOG, line)
            on_report(line)

        trainer.run(
            documents,
            limit,
            heldout=heldout,
            workers=workers,
            every=every,
            on_report=report if ranks.first else lambda line: None,
            on_pause=lambda: trainer.save(out / CHECKPOINT),
        )
    if not ranks.first:
        return None
    if ranks.count > 1:  # each process held only a part of the model
        trainer = trainer_on(ALONE)
        trainer.resume(out / CHECKPOINT)
    finish.export_measured(trainer.model, folder, out, linears, heldout or documents)
    if find_spec("matplotlib"):  # the model is worth more than its picture
        curves.draw(curves.read_log(out / LOG), out / MODEL / CURVES)
    finish.describe(out, corpus, began=began_as(start), device=place.type)
    return out / MODEL


def began_as(start: str) -> str:
    """Where the weights of a run came from, for the card; of a model that was made from another's
    files, with what its own card says of them."""
    folder = find_folder(start)
    spec, card = read_config(folder).spec, folder / "model_card.md"
    began = f"Trained from {spec.name} ({spec.licence}) by `infill-lsp train run`."
    text = card.read_text("utf-8") if card.exists() else ""
    told = text.splitlines()
    origin = [line for line in told if line.startswith((*ORIGIN, BEFORE))]
    origin += [line.replace("| ", f"{BEFORE}, ", 1) for line in told if line.startswith(TRAINED)]
    for packages, files, megabytes in DATA.findall(text):
        origin.append(f"{BEFORE}, Data | {packages} packages, {files} files, {megabytes} MB |")
    return "\n".join([began, "", "| | |", "|---|---|", *origin]) if origin else began


def saved_recipe(out: Path) -> Recipe:
    """The recipe of the checkpoint in a run's folder."""
    _, state = checkpoint.load(out / CHECKPOINT)
    return recipe_of(state["recipe"])


def recipe_of(values: Mapping[str, Any], base: Recipe | None = None) -> Recipe:
    """`base` with some fields changed, as read from JSON or a command line (`5`, `0.1`, `[…]`).

    EngineError names a field that a recipe does not have, or a value that is not of its kind.
    """
    base = base or Recipe()
    known = {field.name for field in fields(Recipe)}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise EngineError(f"A recipe has no {name!r}. It has: {', '.join(sorted(known))}.")
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                raise EngineError(f"{name}={value} is not a number or JSON.") from error
        old = getattr(base, name)
        if isinstance(old, tuple) and isinstance(value, list):
            value = tuple(value)
        if isinstance(old, float) and isinstance(value, int):
            value = float(value)
        if type(value) is not type(old):
            raise EngineError(f"{name} is a {type(old).__name__}, not {value!r}.")
        changes[name] = value
    return replace(base, **changes)


def append_line(path: Path, report: Report) -> None:
    """One JSON line at the end of a log."""
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(report) + "\n")
