"""Two processes that share the rows and the weights learn what one process learns."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch

from engine.models.block_llama import BlockLlama
from engine.request import EngineError
from engine.tokenizer import Tokenizer
from engine.train.batch import Batch
from engine.train.corpus import Document
from engine.train.distributed import Ranks
from engine.train.examples import build_row
from engine.train.loop import Trainer
from engine.train.recipe import Recipe

CODE = "def area(width, height):\n    total = width * height\n    return total\n\n\n"
RECIPE = Recipe(row_tokens=256, shortest_window=64, longest_window=128, rows=2)
STEPS = 4


@pytest.fixture
def open_tokenizer(byte_tokenizer: Tokenizer) -> Callable[[], Tokenizer]:
    return lambda: byte_tokenizer


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(
    small_model: BlockLlama, byte_tokenizer: Tokenizer, tmp_path: Path
) -> None:
    document = Document("area.py", "python", CODE * 4)
    made = [
        build_row(document, Random(seed), byte_tokenizer, small_model.spec, RECIPE)
        for seed in range(2 * STEPS)
    ]
    rows = [row for row in made if row is not None]
    batches = [Batch.of(rows[at : at + 2]) for at in range(0, len(rows), 2)]
    start = copy.deepcopy(small_model.state_dict())
    given = {"config": small_model.config, "weights": start, "recipe": RECIPE, "batches": batches}
    torch.save(given, tmp_path / "given.pt")
    script = Path(__file__).with_name("one_of_several.py")
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*run, script, tmp_path], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    said = torch.load(tmp_path / "said.pt")

    alone = Trainer(small_model, lambda: byte_tokenizer, RECIPE)
    losses = [float(alone.train_step(batch, 3e-3).denoise) for batch in batches]
    assert said["losses"] == pytest.approx(losses, rel=0.02)
    count = sum(each.numel() for each in small_model.parameters())
    assert said["held"] < 0.6 * count  # each process keeps its part only

    together = Trainer(copy.deepcopy(small_model), lambda: byte_tokenizer, RECIPE)
    together.resume(tmp_path / "checkpoint")
    assert together.step == STEPS
    other = dict(together.model.named_parameters())
    for name, value in small_model.named_parameters():
        moved, expected = (each.detach() - start[name] for each in (other[name], value))
        likeness = torch.cosine_similarity(moved.flatten(), expected.flatten(), 0)
        assert likeness > 0.97, name


def test_what_cannot_be_shared_is_refused(
    small_model: BlockLlama, open_tokenizer: Callable[[], Tokenizer]
) -> None:
    with pytest.raises(EngineError, match="2 rows cannot be shared by 3 processes"):
        Trainer(small_model, open_tokenizer, RECIPE, ranks=Ranks(0, 3))
    with pytest.raises(EngineError, match="Muon needs whole matrices"):
        Trainer(small_model, open_tokenizer, replace(RECIPE, muon=True), ranks=Ranks(0, 2))
