"""How `pytest -m gpu` runs: its tests in one process of their own, none begins when the time is over, and
a table stands at the end. Hooks for the `conftest` of all tests, which is read before anything runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import kernel_table
import pytest
from rehearsal import REHEARSAL

UNTIL = "INFILL_GPU_UNTIL"
"""Environment, for the process that runs the tests: seconds since 1970."""
SECONDS = "INFILL_GPU_SECONDS"
"""Environment: after so many no test begins."""
DEFAULT_SECONDS = 900.0 if REHEARSAL else 90.0
LATE = "no time left"
"""Why tests after that are skipped."""
RESTARTS = 30
"""Processes that may be ended by their tests."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads its options
def pytest_cmdline_main(config: pytest.Config) -> None:
    options = config.option
    if options.markexpr != "gpu":
        return
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        # Only here are such tests, and the others need packages that a machine with a card may lack.
        config.args = [str(Path(__file__).parent)]
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    os.environ[UNTIL] = str(time.time() + float(os.environ.get(SECONDS, DEFAULT_SECONDS)))
    # In one process, so that tests do not share the card; beside this one, so that it may be ended.
    if getattr(options, "numprocesses", 0) is None and not options.usepdb:
        options.numprocesses = 1
        options.maxworkerrestart = str(RESTARTS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    kernel_table.show(terminalreporter)
    skipped = terminalreporter.stats.get("skipped", [])
    if late := sum(LATE in str(report.longrepr) for report in skipped):
        terminalreporter.write_line(f"{late} tests were not run: {LATE} ({SECONDS})", red=True)
