"""The rows of a model as it comes: whichever is bundled, and one of the other kind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from engine.bench.limits import Rates
from engine.bench.small import Subject
from engine.config import EngineConfig
from engine.models import load_model

CODE = "def area(width, height):\n    total = width * height\n    return total\n\n\n" * 40


ROWS = [(1, 1), (4, 1), (8, 1), (16, 1), (1, 3)]
"""Slots and variants of the forwards."""


def subject(model: str) -> Subject:
    return Subject(
        model, torch.device("cpu"), CODE, context=50, variants=3,
        rates=Rates(1e9, 1e9), repeats=1, until=time.monotonic() + 60,
    )  # fmt: skip


def test_forwards_and_fills_of_the_bundled_model() -> None:
    rows = list(subject("bundled").rows())
    forwards = [row for row in rows if row.measure == "a forward"]
    assert [(row.slots, row.batch) for row in forwards] == ROWS
    assert all(row.context == 49 and row.value > 0 and row.limit for row in forwards)
    fills = [row for row in rows if row.measure == "rest of a line"]
    assert [row.batch for row in fills] == [1, 3]
    assert all(row.value > 0 for row in fills)


def test_forwards_of_a_model_of_the_other_kind(gemma_folder: Path) -> None:
    loaded = load_model(EngineConfig(model=str(gemma_folder), device="cpu"))
    rows = list(subject(str(gemma_folder)).forwards(*loaded))
    assert [(row.slots, row.batch) for row in rows if row.measure == "a forward"] == ROWS


def test_a_forward_is_not_kept_from_the_last_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model may keep what it computed for a canvas: then only the first forward would be one."""
    from engine.models.block_llama import BlockLlama

    counted: list[int] = []
    forward = BlockLlama._forward

    def count(self: BlockLlama, ids: torch.Tensor, *more: object) -> torch.Tensor:
        counted.append(len(ids))
        return forward(self, ids, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(BlockLlama, "_forward", count)
    rows = (
        row for row in subject("bundled").rows() if row.measure == "a forward" and row.slots == 8
    )
    next(rows)
    assert counted[-2:] == [counted[-1]] * 2
    assert counted[-1] >= 8
