"""For all tests: makes `fake_engine` and `gemma_checkpoint` importable, whichever way pytest was started."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
