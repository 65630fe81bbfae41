"""Texts that are there already, exactly or nearly: MinHash over runs of words, found by LSH.

Knows word hashes only, in the order in which they come: the first of several copies stays.
"""

from __future__ import annotations

import hashlib

import numpy as np
from datasketch import MinHash, MinHashLSH

from infill_lsp.corpus.words import Hashes, run_hashes

THRESHOLD = 0.7
"""Jaccard similarity of the sets of runs from which on two texts count as copies."""
RUN = 5
"""Words in a run; all of a shorter text."""
_PERMUTATIONS = 64
_HIGH_HALF = np.uint64(32)


class Copies:
    """The texts seen so far."""

    def __init__(self) -> None:
        self._exact: set[bytes] = set()
        self._near = MinHashLSH(threshold=THRESHOLD, num_perm=_PERMUTATIONS)

    def has(self, words: Hashes) -> bool:
        """Whether it is a copy of a text seen before; if not, it is remembered."""
        whole = hashlib.sha1(words.tobytes()).digest()
        if whole in self._exact:
            return True
        self._exact.add(whole)
        signature = _signature(words)
        if self._near.query(signature):
            return True
        self._near.insert(len(self._exact), signature)
        return False


def _signature(words: Hashes) -> MinHash:
    signature = MinHash(num_perm=_PERMUTATIONS, hashfunc=int)
    runs = run_hashes(words, min(RUN, len(words)))
    # The library hashes to 32 bits, and so must we.
    signature.update_batch(np.unique(runs >> _HIGH_HALF).tolist())
    return signature
