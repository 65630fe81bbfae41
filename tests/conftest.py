"""For all tests: makes `fake_engine` and `gemma_checkpoint` importable, whichever way pytest was
started, and keeps their counts and sockets apart from the user's own."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

for _kind in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
    os.environ[_kind] = tempfile.mkdtemp(prefix="infill-")
    atexit.register(shutil.rmtree, os.environ[_kind], ignore_errors=True)

# On a shared machine a slow example is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
