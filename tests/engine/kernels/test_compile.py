"""The kernels compile for cards that are not here, and fit their shared memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = {
    "_accept",
    "_add_attended",
    "_add_fed",
    "_attend",
    "_heads",
    "_join",
    "_mean",
    "_order",
    "_piece",
    "_product",
    "_route",
    "_row",
    "_shares",
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("capability", "shared"), [(90, 232_448), (89, 101_376)])
def test_every_kernel_at_the_published_shape(tmp_path: Path, capability: int, shared: int) -> None:
    """Hopper, and cards at home. What it says nothing of is how fast they are."""
    pytest.importorskip("triton", reason="Triton cannot be installed here")
    script = Path(__file__).with_name("compile_for.py")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(script), str(capability)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    made = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {each["kernel"] for each in made} == KERNELS
    assert max(each["shared"] for each in made) <= shared
