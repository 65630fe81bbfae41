"""Every kernel in every variant is compiled, on all cores: on a card first of all, so that no other test
waits for a compiler; and for cards that are not here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kernel_table import NOTE

from engine.models.kernels import resources

KERNELS = {
    "_accept", "_add_attended", "_add_fed", "_attend", "_heads", "_join", "_mean", "_order", "_piece",
    "_product", "_route", "_row", "_shares",
}  # fmt: skip


@pytest.mark.gpu
@pytest.mark.timeout(60, method="thread")
def test_for_this_card(card: torch.device, record_property: Callable[[str, object], None]) -> None:
    major, minor = torch.cuda.get_device_capability(card)
    made = compiled(10 * major + minor, *resources.of(card))
    seconds = sum(each["seconds"] for each in made)
    slowest = f"{made[0]['kernel']} {made[0]['seconds']:.1f} s"
    record_property(NOTE, f"{len(made)} variants, {seconds:.0f} s of a core, the slowest {slowest}")
    assert not [each for each in made if each["error"]]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("capability", "processors", "shared"), [(90, 132, 232_448), (89, 128, 101_376)]
)
def test_for_a_card_that_is_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capability: int, processors: int, shared: int
) -> None:
    """Hopper, and cards at home. What it says nothing of is how fast they are."""
    pytest.importorskip("triton", reason="Triton cannot be installed here")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    made = compiled(capability, processors, shared)
    assert not [each for each in made if each["error"]]
    assert {each["kernel"] for each in made} == KERNELS
    assert max(each["shared"] for each in made) <= shared


def compiled(capability: int, processors: int, shared: int) -> list[dict[str, Any]]:
    """A row for each variant, for a card with so much shared memory for a program."""
    script = Path(__file__).with_name("compile_kernels.py")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    folders = (script.parent, script.parents[1], script.parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(map(str, folders))
    done = subprocess.run(
        [sys.executable, str(script), *map(str, (capability, processors, shared))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
