"""For all tests: makes `fake_engine` and `gemma_checkpoint` importable, whichever way pytest was
started, and keeps the counts of tests out of the user's own."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

os.environ["XDG_STATE_HOME"] = _state = tempfile.mkdtemp(prefix="infill-state-")
atexit.register(shutil.rmtree, _state, ignore_errors=True)
