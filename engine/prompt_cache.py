"""Keys and values of past prompts: reuse the longest common start, roll back, encode the rest.

While a programmer types, each prompt is the last one plus a token or two, so almost nothing is
encoded anew. Knows token ids and `DenoisingModel`; knows no text and no canvas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.models.base import KV, DenoisingModel


@dataclass(slots=True)
class Entry:
    """One prompt that was encoded: `kv` holds exactly `ids`."""

    ids: list[int]
    kv: KV


class PromptCache:
    """A few prompts' caches, the most recently used last.

    Several live side by side because one document has two prompts on a slow device (a short one
    that could be afforded at once, and the whole one that grows meanwhile), and people switch files.
    """

    def __init__(
        self,
        model: DenoisingModel,
        *,
        entries: int = 3,
        token_limit: int = 12_288,
        byte_limit: int = 2_000_000_000,
    ) -> None:
        """The limits are of all entries together; the newest is kept whatever it takes."""
        self._model = model
        self._entries: list[Entry] = []
        self._most_entries = entries
        self._token_limit, self._byte_limit = token_limit, byte_limit

    @property
    def nbytes(self) -> int:
        return sum(entry.kv.nbytes for entry in self._entries)

    def missing(self, ids: list[int]) -> int:
        """How many of `ids` would have to be encoded."""
        return len(ids) - self._best(ids)[1]

    def extend(
        self, ids: list[int], *, most: int | None = None, step: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> tuple[Entry, int]:  # fmt: skip
        """Make an entry hold `ids`, or as far as `most` new tokens and `interrupted` allow.

        step: encode that many tokens at a time and ask `interrupted` in between; 0: all at once.
        Returns the entry and the number of tokens that were already there.
        """
        entry = self._claim(ids)
        reused = len(entry.ids)
        end = len(ids) if most is None else min(len(ids), reused + most)
        while len(entry.ids) < end:
            piece = list(ids[len(entry.ids) : min(end, len(entry.ids) + (step or end))])
            self._model.encode(torch.tensor(piece, device=self._model.device), entry.kv)
            entry.ids.extend(piece)
            if interrupted():
                break
        self._evict()
        return entry, reused

    def clear(self) -> None:
        """Give the memory back."""
        self._entries.clear()

    def _claim(self, ids: list[int]) -> Entry:
        """The entry to build on, rolled back to what it shares with `ids`, and now newest."""
        best, shared = self._best(ids)
        if best is None:
            best = Entry([], self._model.new_kv())
        else:
            self._entries.remove(best)
            best.kv.truncate(shared)
            del best.ids[shared:]
        self._entries.append(best)
        return best

    def _best(self, ids: list[int]) -> tuple[Entry | None, int]:
        """The entry that shares most with `ids`, and how much."""
        best, shared = None, 0
        for entry in self._entries:
            common = common_start(entry.ids, ids)
            # An entry that would lose more than it gives belongs to something else: leave it.
            if common > shared and 2 * common >= len(entry.ids):
                best, shared = entry, common
        return best, shared

    def _evict(self) -> None:
        while len(self._entries) > 1 and (
            len(self._entries) > self._most_entries
            or sum(len(entry.ids) for entry in self._entries) > self._token_limit
            or self.nbytes > self._byte_limit
        ):
            del self._entries[0]


def common_start(left: list[int], right: list[int]) -> int:
    """Length of the longest start that both share; O(log n) comparisons of slices."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
