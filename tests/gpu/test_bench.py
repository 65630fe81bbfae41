"""The suite for a card, whole, at its tiny shape; without transformers, which compiles for a minute."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rehearsal import REHEARSAL

from engine.bench import command, reference


def _none(*_: object) -> float:
    raise ImportError("left out here")


@pytest.mark.gpu
@pytest.mark.timeout(120 if REHEARSAL else 30, method="thread")
def test_the_suite(device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "seconds_a_step", _none)
    nowhere = str(tmp_path / "no model")
    written = command.run(
        device=device.type, shape="tiny", short=True, repeats=2, model=nowhere, out=tmp_path
    )
    document = json.loads(written.read_text())
    failed = [row["measure"] for row in document["rows"] if row["unit"] == "failed"]
    assert len(failed) == 2
    assert "Unknown model" in failed[0]
    assert "left out here" in failed[1]
    assert {"int4", "fp8"} < {row["form"] for row in document["rows"]}
