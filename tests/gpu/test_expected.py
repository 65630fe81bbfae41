"""What is expected of the kernels is what their sizes say now."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
H100 = ("3.0", "798")
"""TB/s of a copy and TFLOP/s of a large product, as such a card was seen to reach."""


def test_the_table_is_of_these_kernels() -> None:
    pytest.importorskip("triton", reason="Triton cannot be installed here")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1])))
    command = [sys.executable, str(HERE / "expect.py"), *H100]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    written = (HERE / "expected-h100.txt").read_text("utf-8")
    cure = f"PYTHONPATH=.:tests:tests/gpu python tests/gpu/expect.py {' '.join(H100)} > tests/gpu/expected-h100.txt"
    assert done.stdout == written, f"write it anew: {cure}"
