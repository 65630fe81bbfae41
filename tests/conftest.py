"""For all tests: makes `fake_engine` and `gemma_checkpoint` importable, whichever way pytest was
started, and keeps their counts, models and sockets apart from the user's own."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "gpu")]

from gpu_session import pytest_cmdline_main, pytest_terminal_summary  # noqa: E402, F401 - hooks

for _kind in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
    os.environ[_kind] = tempfile.mkdtemp(prefix="infill-")
    atexit.register(shutil.rmtree, os.environ[_kind], ignore_errors=True)

# On a shared machine a slow example is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """See `tests/trust/conftest.py`."""
    parser.addoption("--share", default="0.1", help="of each bar of `-m trust`; 1: the whole bar")
