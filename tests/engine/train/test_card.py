"""What stands in a model card is what stands in the files, and a bad file is named."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.models.block_llama import BlockLlama
from engine.request import EngineError
from engine.train.card import CardFacts, model_card
from engine.train.export import export
from engine.train.storage_loss import StorageLoss, to_json

STATE = {
    "step": 1234,
    "seconds": 754.0,
    "tokens": 5_678_901,
    "positions": 98_765,
    "recipe": {"learning_rate": 3e-4, "momentum": [0.9, 0.98], "gap_shares": {"line": 0.5}},
}
LOG = [
    {"step": 0, "loss": 3.0, "tokens_per_second": 900.0, "utilization": 0.41},
    {"step": 1, "loss": 2.0, "tokens_per_second": 1100.0, "utilization": 0.43},
    {"step": 2, "loss": 2.0, "tokens_per_second": 1150.0, "utilization": 0.43},
    {"step": 1, "dev": {"denoise": 4.5678, "causal": 2.5}},
    {"step": 2, "dev": {"denoise": 1.2345, "causal": 2.25}},
]
MANIFEST = {
    "train": {
        "packages": 2,
        "documents": 31,
        "bytes": 4_000_000,
        "languages": {"python": 3_000_000, "go": 1_000_000},
        "dropped": {"benchmark": 5, "copy": 9},
    },
    "heldout": {
        "packages": 1,
        "documents": 7,
        "bytes": 600_000,
        "languages": {"python": 600_000},
        "dropped": {"benchmark": 2},
    },
    "benchmark_problem_runs": 4321,
    "packages": [
        {
            "package": "flask",
            "version": "3.1.3",
            "licence": "BSD-3-Clause",
            "held_out": True,
            "documents": 7,
        },
        {
            "package": "rich",
            "version": "15.0.0",
            "licence": "MIT",
            "held_out": False,
            "documents": 30,
        },
        {"package": "cobra", "version": "1.9", "licence": "MIT", "held_out": False, "documents": 1},
        {
            "package": "closed",
            "version": "1.0",
            "licence": "GPL",
            "held_out": False,
            "documents": 0,
        },
    ],
}
SCORES: list[dict[str, Any]] = [
    {
        "suite": "humaneval-infilling",
        "split": "single-line",
        "model": "small",
        "cases": 516,
        "pass_at_1": 0.3333,
        "interval": [0.29, 0.376],
        "exact": 0.25,
        "edit_similarity": 0.5,
        "parses": None,
        "shown": 0.9,
        "forwards": 4.5,
        "tokens_per_forward": 2.125,
        "ms_p50": 312.7,
        "ms_p95": 900.2,
        "device": "cpu",
        "commit": "abc1234",
        "parts": [],
    },
    {
        "suite": "heldout",
        "split": None,
        "model": "small",
        "cases": 80,
        "exact": 0.125,
        "device": "cpu",
        "commit": None,
        "parts": [
            {
                "kind": "block",
                "language": "go",
                "cases": 12,
                "exact": 0.0625,
                "interval": [0.0, 0.2],
            }
        ],
    },
]
STORAGE = [
    StorageLoss("float", 540_000_000, 777, 2.0, 0.0, (0.0, 0.0)),
    StorageLoss("q4", 95_000_000, 777, 2.0625, 0.03125, (0.05, 0.07)),
]


@pytest.fixture
def facts(small_model: BlockLlama, origin: Path, tmp_path: Path) -> CardFacts:
    export(small_model, origin, tmp_path / "model", linears="q4", card="")
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in LOG))
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in SCORES))
    (tmp_path / "storage.jsonl").write_text(to_json(STORAGE))
    return CardFacts(
        title="Small, for tests",
        origin="Random numbers, by nobody.",
        device="one abacus",
        weaknesses="It knows nothing.",
        model=tmp_path / "model",
        state=tmp_path / "state.json",
        log=tmp_path / "log.jsonl",
        manifest=tmp_path / "manifest.json",
        scores=tmp_path / "scores.jsonl",
        storage=tmp_path / "storage.jsonl",
    )


def section(card: str, name: str) -> str:
    return card.split(f"## {name}\n")[1].split("\n## ")[0]


def test_texts_and_sections_stand_in_order(facts: CardFacts) -> None:
    card = model_card(facts)
    assert card.startswith("# Small, for tests\n\nRandom numbers, by nobody.\n")
    assert card.endswith("It knows nothing.\n")
    assert re.findall("^## (.*)", card, re.M) == [
        "Model",
        "Training",
        "Data",
        "Scores",
        "What storing in few bits costs",
        "Known weaknesses",
    ]


def test_the_model_is_described_by_its_files(facts: CardFacts, small_model: BlockLlama) -> None:
    text = section(model_card(facts), "Model")
    size = (facts.model / "model-00001-of-00001.safetensors").stat().st_size
    assert f"| Parameters | {small_model.config.parameters:,} |" in text
    assert "| Licence | Apache-2.0 (see `LICENSE`) |" in text
    assert "3 layers, width 64" in text
    assert "linears 4 bits in groups of 32" in text
    assert f"{size / 1e6:.1f} MB" in text


def test_an_int8_export_is_called_so(
    facts: CardFacts, small_model: BlockLlama, origin: Path
) -> None:
    export(small_model, origin, facts.model, linears="int8", card="")
    assert "linears 8 bits" in section(model_card(facts), "Model")


def test_training_is_described_by_state_and_log(facts: CardFacts) -> None:
    text = section(model_card(facts), "Training")
    for line in (
        "| Device | one abacus |",
        "| Time | 12.6 minutes |",
        "| Steps | 1,234 |",
        "| Tokens | 5,678,901 |",
        "| Speed | 1,100 tokens/s, 43% of the device's bfloat16 peak |",
        "| Held-out loss, first | denoise 4.568, causal 2.500 (nats a token, step 1) |",
        "| Held-out loss, last | denoise 1.234, causal 2.250 (nats a token, step 2) |",
        "| learning_rate | `0.0003` |",
        "| momentum | `[0.9, 0.98]` |",
        '| gap_shares | `{"line": 0.5}` |',
    ):
        assert line in text


def test_data_is_described_by_the_manifest(facts: CardFacts) -> None:
    text = section(model_card(facts), "Data")
    for line in (
        "7 files were left out",
        "4,321 runs",
        "| trained on | 2 | 31 | 4.0 |",
        "| held out | 1 | 7 | 0.6 |",
        "| python | 3.0 | 75.0% |",
        "| MIT | 2 |",
        "| BSD-3-Clause | 1 |",
        "cobra 1.9 (MIT), rich 15.0.0 (MIT), flask 3.1.3 (BSD-3-Clause, held out)",
    ):
        assert line in text
    assert "closed" not in text
    assert "GPL" not in text


def test_scores_are_those_of_the_evaluation(facts: CardFacts) -> None:
    text = section(model_card(facts), "Scores")
    assert (
        "| humaneval-infilling single-line | small | 516 | 33.3% | 29.0% to 37.6% | 25.0% | 50.0% "
        "| – | 90.0% | 4.50 | 2.12 | 313 | 900 | cpu | abc1234 |" in text
    )
    assert "| heldout | small | 80 | – | – | 12.5% |" in text
    assert "| heldout | small | block | go | 12 | 6.2% | 0.0% to 20.0% | – | – |" in text


def test_storage_losses_are_those_measured(facts: CardFacts) -> None:
    text = section(model_card(facts), "What storing in few bits costs")
    assert "Over 777 tokens" in text
    assert "| q4 | 95.0 | 2.0625 | 0.0312 | 6.00% | 7.00% (1) |" in text


def test_what_was_not_measured_is_left_out(facts: CardFacts) -> None:
    card = model_card(dataclasses.replace(facts, scores=None, storage=None))
    assert "## Scores" not in card
    assert "few bits costs" not in card


def test_tables_have_as_many_cells_in_every_line(facts: CardFacts) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", model_card(facts), re.M)
    assert len(tables) == 9
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


@pytest.mark.parametrize("name", ["state", "log", "manifest", "scores", "storage"])
def test_a_missing_file_is_named(facts: CardFacts, name: str) -> None:
    path: Path = getattr(facts, name)
    path.unlink()
    with pytest.raises(EngineError, match=rf"{path.name}.*No such file"):
        model_card(facts)


@pytest.mark.parametrize("name", ["state", "manifest", "scores", "storage"])
@pytest.mark.parametrize("text", ["{", '{"other": 1}', "[1]"])
def test_a_file_that_holds_something_else_is_named(facts: CardFacts, name: str, text: str) -> None:
    path: Path = getattr(facts, name)
    path.write_text(text)
    with pytest.raises(EngineError, match=rf"{path.name}.*Make it anew"):
        model_card(facts)
