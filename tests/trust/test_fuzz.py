"""Coverage-guided fuzzing, for so many seconds each; see `fuzz.py`, which needs the extra `fuzz`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris")

SECONDS = 600
"""The bar, for each target."""
TARGETS = ("framing", "positions", "rules", "prompts", "structuring", "secrets")


@pytest.mark.trust
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_fails(target: str, pytestconfig: pytest.Config) -> None:
    seconds = SECONDS * float(pytestconfig.getoption("--share"))
    program = Path(__file__).with_name("fuzz.py")
    done = subprocess.run(
        [sys.executable, str(program), target, str(seconds)], capture_output=True, text=True
    )
    runs = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    print(f"{target}: {runs[1] if runs else '?'} inputs in {seconds:.0f} s")
    assert done.returncode == 0, done.stderr[-3000:]
