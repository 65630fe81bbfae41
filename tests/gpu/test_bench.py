"""The suite for a GPU, whole, at its tiny shape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from infill_lsp import cli

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]


def test_the_suite(
    device: torch.device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "--suite", "cuda", "--shape", "tiny", "--device", "cuda", "--repeats", "3"]
    assert cli.main([*command, "--out", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["device"] == torch.cuda.get_device_properties(device).name
    assert not [row for row in document["rows"] if row["unit"] == "failed"]
    assert {row["form"] for row in document["rows"]} == {"", "int4", "fp8", "bfloat16"}
    assert [row for row in document["rows"] if row["measure"] == "transformers: a step"]
