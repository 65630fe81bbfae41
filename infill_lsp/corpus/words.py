"""A text as runs of words, hashed: what both the search for copies and the one for benchmarks read.

Case, layout and punctuation do not count. Knows nothing of what a run is compared with.
"""

from __future__ import annotations

import re
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
_WORD = re.compile(r"\w+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def word_hashes(text: str) -> Hashes:
    """[n] a hash for each word."""
    words = _WORD.findall(text.lower())
    return np.fromiter((crc32(word.encode()) for word in words), dtype=np.uint64, count=len(words))


def run_hashes(words: Hashes, length: int) -> Hashes:
    """[n - length + 1] a hash for each run of `length` words; empty when there are fewer."""
    count = len(words) - length + 1
    if count < 1:
        return np.zeros(0, dtype=np.uint64)
    runs = np.zeros(count, dtype=np.uint64)
    for index in range(length):
        runs = (runs ^ (runs >> _SHIFT)) * _FACTOR + words[index : index + count]
    return (runs ^ (runs >> _SHIFT)) * _FACTOR
