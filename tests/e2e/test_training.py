"""From nothing to a model that fills a gap: every command of `infill-lsp train`, on real packages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LISTS = """
[pypi]
train = ["toolz", "more-itertools"]
held_out = ["sortedcontainers"]
"""
SOURCE = "def area(width, height):\n    return width * \n"


def infill(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "infill_lsp.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skip("starts from the bundled model, for which training makes no examples yet")
def test_a_model_from_nothing(tmp_path: Path) -> None:
    lists, corpus, out = tmp_path / "lists.toml", tmp_path / "corpus", tmp_path / "run"
    lists.write_text(LISTS)
    source = tmp_path / "area.py"
    source.write_text(SOURCE)

    infill("train", "data", corpus, "--lists", lists)
    manifest = json.loads((corpus / "manifest.json").read_text())
    licences = sorted(row["licence"].lower() for row in manifest["packages"])
    assert licences == ["apache-2.0", "bsd-3-clause", "mit"]
    assert manifest["train"]["tokens"] > 50_000

    said = infill("train", "run", corpus, out, "--steps", "20", "--cases", "16")
    model = out / "model"
    assert str(model) in said
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log[-1]["dev"]["denoise"] < log[0]["denoise"]
    scores = json.loads((out / "scores.jsonl").read_text())
    assert scores["cases"] == 16
    card = (model / "model_card.md").read_text()
    assert "toolz" in card
    assert "sortedcontainers" in card
    assert f"{scores['edit_similarity']:.1%}" in card

    filled = json.loads(infill("fill", f"{source}:2:20", "--model", model, "--json"))
    assert filled["model"] == "smollm2-135m-infill"
    assert filled["forwards"] > 0
