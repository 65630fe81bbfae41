"""The cost of storing is measured right: against sums written out, and in the right order."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
import torch
from rich.console import Console

from engine.models.block_llama import BlockLlama
from engine.models.weights import load_block_llama
from engine.train.export import export
from engine.train.storage_loss import from_json, measure, table, to_json, weight_errors

CPU = torch.device("cpu")


@pytest.fixture
def folders(small_model: BlockLlama, origin: Path, tmp_path: Path) -> dict[str, Path]:
    export(small_model, origin, tmp_path / "small", linears="q4", card="")
    export(small_model, origin, tmp_path / "large", linears="int8", card="")
    return {"q4": tmp_path / "small", "int8": tmp_path / "large"}


def plain_losses(model: BlockLlama, other: BlockLlama, ids: torch.Tensor) -> tuple[float, float]:
    """Next-token loss of `other` and its divergence from `model`: token by token, as it is served."""
    surprises, divergences = [], []
    for row in ids:
        places = torch.arange(len(row))  # and turns: each sees those before it
        wanted, said = (
            each.denoise(row[None], each.new_kv(), places[None, 1:], None, places[None])[0].softmax(
                -1
            )
            for each in (model, other)
        )
        for place, token in enumerate(row[1:].tolist()):
            surprises.append(-math.log(said[place, token].item()))
            p, q = wanted[place].double(), said[place].double()
            divergences.append((p * (p / q).log()).sum().item())
    return sum(surprises) / len(surprises), sum(divergences) / len(divergences)


def test_losses_are_those_of_the_plain_sums(
    small_model: BlockLlama, folders: dict[str, Path]
) -> None:
    ids = torch.randint(0, 256, (3, 24), generator=torch.Generator().manual_seed(3))
    original, q4, int8 = measure(small_model, folders, ids)
    for loss, folder in ((q4, folders["q4"]), (int8, folders["int8"])):
        stored = load_block_llama(folder, CPU, torch.float32)
        surprise, divergence = plain_losses(small_model, stored, ids)
        assert loss.next_token_loss == pytest.approx(surprise, rel=1e-4)
        assert loss.divergence == pytest.approx(divergence, rel=1e-2)
        assert loss.bytes == sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        assert loss.tokens == 3 * 23
    assert original.divergence == 0.0
    assert 10 * int8.divergence < q4.divergence
    assert max(int8.weight_errors) < 0.02 < min(q4.weight_errors) < max(q4.weight_errors) < 0.12


def test_the_layer_that_changed_is_named(small_model: BlockLlama, folders: dict[str, Path]) -> None:
    stored = load_block_llama(folders["int8"], CPU, torch.float32)
    stored.layers[1].attention.output.weight.mul_(1.5)
    before = small_model.layers[1]
    share = before.attention.output.weight.square().sum()
    total = sum(each.square().sum() for each in before.parameters() if each.dim() > 1)
    errors = weight_errors(small_model, stored)
    assert errors[1] == pytest.approx(0.5 * (share / total).sqrt().item(), rel=0.02)
    assert max(errors[0], errors[2]) < 0.02


def test_the_table_and_the_lines_say_the_same(
    small_model: BlockLlama, folders: dict[str, Path]
) -> None:
    losses = measure(small_model, folders, torch.arange(40).view(2, 20))
    assert from_json(to_json(losses)) == losses
    out = io.StringIO()
    Console(file=out, width=120).print(table(losses))
    shown = out.getvalue()
    for each in losses:
        assert each.name in shown
        assert f"{each.next_token_loss:.4f}" in shown
