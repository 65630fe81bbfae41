"""Whether the tests for a card run without one: sizes are tiny then, kernels interpreted, and nothing
is said of speed; only that the tests themselves hold no surprise."""

from __future__ import annotations

import os
import time

REHEARSAL = bool(os.environ.get("INFILL_GPU_REHEARSAL"))
SEED = int(os.environ.get("INFILL_GPU_SEED", time.time_ns() % 1_000_000))
"""Other numbers in every run, unless one is to be repeated."""
