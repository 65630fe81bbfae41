"""Attacks and bad days in large numbers: `pytest -m trust`, each a share of its bar.

    pytest -m trust                 a tenth of each bar, under a quarter of an hour on two cores
    pytest -m trust --share 1       the bars themselves: a million edits, 100,000 requests, ...

Each test runs in a short form, too, which is not marked and belongs to the default suite.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).parents[1] / "infill_lsp" / "project"))

from sessions import listening, shared_servers

SHORT = 0.002
"""Of the bar, in the default suite."""


@pytest.fixture(params=["short", pytest.param("share", marks=pytest.mark.trust)])
def share_of(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """`share_of(1_000_000)`: how many of so many are done now, at least one."""
    share = SHORT if request.param == "short" else float(request.config.getoption("--share"))
    return lambda bar: max(1, round(bar * share))


@pytest.fixture(scope="session")
def tcp_server() -> Iterator[tuple[str, int]]:
    """(host, port) of a server with the fake engine, and no token."""
    yield from listening("--tcp")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder for this test, its path short enough for a socket; empty of servers after."""
    folder = Path(tempfile.mkdtemp(prefix="infill-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    for server in shared_servers(folder):
        server.kill()
    shutil.rmtree(folder, ignore_errors=True)
