"""Where a step's time goes, at a tiny shape on the CPU."""

from __future__ import annotations

import pytest

from engine.bench.profile import main


@pytest.mark.parametrize("form", ["fp8", "none"])
def test_a_step_is_the_sum_of_its_kernels(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--shape", "tiny", "--device", "cpu", "--form", form]) == 0
    printed = capsys.readouterr().out
    lines = printed[printed.index("kernel") :].splitlines()
    shares = [int(line.split()[-1].rstrip("%")) for line in lines[1:] if line.endswith("%")]
    assert sum(shares) == pytest.approx(100, abs=len(shares) / 2)
    assert "its limit" in lines[-1]
