"""Give freed memory back to the operating system.

The C library keeps what a thread has freed; after loading a model or encoding a long prompt that is
hundreds of megabytes, and an editor's user sees them as ours.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress


def give_back() -> None:
    """Some milliseconds. Does nothing where the C library is not glibc."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
