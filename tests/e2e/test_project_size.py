"""A large workspace: read in the background, and nobody waits. The bounds allow for a busy machine;
`infill-lsp bench` has the figures."""

from __future__ import annotations

import pytest

from engine import EngineConfig
from infill_lsp.commands import bench_project


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_5000_files_are_read_in_the_background() -> None:
    rows = {name.strip(): value for name, value, _, _ in bench_project.measure(EngineConfig())}
    assert rows.pop("5000 files read in the background") < 600
    assert rows.pop("of it: work of one core") < 90
    assert rows.pop("its process: memory") < 200
    assert rows.pop("pieces for a place, p95") < 150
    assert rows.pop("server meanwhile, p95") < 500
    assert not rows
