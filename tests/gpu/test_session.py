"""A test on a card that hangs, or whose process dies, takes no other with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import os, signal, time
import pytest

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1, method="thread")]

@pytest.mark.parametrize("case", ["good-first", "slow-forever", "bad-context", "good-last"])
def test_a_kernel(case, record_property):
    kernel, _, shape = case.partition("-")
    record_property("kernel", {"kernel": kernel, "shape": shape, "error": 0.001})
    if kernel == "slow":
        time.sleep(600)
    if kernel == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_others_go_on_and_the_table_says_which_failed(tmp_path: Path) -> None:
    (tmp_path / "test_them.py").write_text(TESTS)
    hooks = "from gpu_session import pytest_cmdline_main, pytest_terminal_summary\n"
    (tmp_path / "conftest.py").write_text(hooks)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    gpu\n")
    places = (Path(__file__).parent, Path(__file__).parents[1])
    results = tmp_path / "rows.jsonl"
    environment = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", str(tmp_path)],
        env=environment
        | {"PYTHONPATH": os.pathsep.join(map(str, places)), "INFILL_GPU_RESULTS": str(results)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    table = done.stdout.partition("= kernels =")[2]
    for row in ("good", "slow", "bad"):
        assert f"\n{row} " in table
    assert table.count("failed\n") == 2
    assert len(results.read_text().splitlines()) == 4
