"""One command: train, stop, resume, export, and the result loads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.models import load_model
from engine.request import EngineError
from engine.train.card import CURVES
from engine.train.finish import CHECKPOINT, LOG, MODEL
from engine.train.loop import Limit
from engine.train.recipe import Recipe
from engine.train.run import began_as, recipe_of, saved_recipe, train


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skip("starts from the bundled model, for which training makes no examples yet")
def test_a_run_is_resumed_and_exported(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    recipe = recipe_of({"rows": "1", "row_tokens": "128", "shortest_window": "32"})
    recipe = recipe_of({"longest_window": "64"}, recipe)
    train(corpus, out, Limit(steps=1), device="cpu", recipe=recipe)
    assert saved_recipe(out) == recipe
    model = train(corpus, out, Limit(steps=2), device="cpu")
    assert model is not None
    steps = [json.loads(line)["step"] for line in (out / LOG).read_text().splitlines()]
    assert steps == [1, 1, 2, 2]
    assert (out / MODEL / CURVES).read_bytes().startswith(b"\x89PNG")
    assert f"({CURVES})" in (out / MODEL / "model_card.md").read_text("utf-8")
    again = began_as(str(out / MODEL))
    assert re.search(r"^\| Trained before, Steps \| \d+ \|$", again, re.MULTILINE)
    data = r"^\| Trained before, Data \| \d+ packages, \d+ files, [\d.]+ MB \|$"
    assert re.search(data, again, re.MULTILINE)
    assert (out / CHECKPOINT).is_dir()
    assert "| float |" in (model / "model_card.md").read_text()
    loaded, _, info = load_model(EngineConfig(model=str(model), device="cpu"))
    assert (info.order, info.sees_after) == ("left_to_right", True)
    assert loaded.spec.delete_id is not None


def test_a_recipe_takes_changes_by_name() -> None:
    changed = recipe_of({"rows": "4", "learning_rate": "1e-4", "momentum": "[0.8, 0.9]"})
    assert (changed.rows, changed.learning_rate, changed.momentum) == (4, 1e-4, (0.8, 0.9))
    assert recipe_of({"far_suffix": "1"}).far_suffix == 1.0
    assert recipe_of(changed.to_json()) == changed
    assert recipe_of({}) == Recipe()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("row", "4", "no 'row'. It has: .*rows"),
        ("rows", "four", "rows=four is not a number"),
        ("rows", "4.5", "rows is a int"),
    ],
)
def test_a_wrong_change_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        recipe_of({name: value})


def test_a_corpus_that_is_missing_or_damaged_is_named(corpus: Path, tmp_path: Path) -> None:
    from engine.train.corpus import read_corpus

    with pytest.raises(EngineError, match=r"no train-.*infill-lsp train data"):
        read_corpus(tmp_path, "train")
    damaged = corpus / "train-00001.jsonl.xz"
    damaged.write_bytes((corpus / "train-00000.jsonl.xz").read_bytes()[:-20])
    with pytest.raises(EngineError, match=r"train-00001\.jsonl\.xz is damaged"):
        read_corpus(corpus, "train")


def test_a_model_that_fills_in_the_middle_is_not_trained(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"qwen2\.5-coder-0\.5b.*not trained here.*another model"):
        train(corpus, tmp_path / "out", Limit(steps=1), device="cpu")
    assert not (tmp_path / "out").exists()
