"""Keys and values of past prompts: reuse the longest common start, roll back, encode the rest.

While a programmer types, each prompt is the last one plus a token or two, so almost nothing is
encoded anew. Where the text after the gap stands in the prompt (`fim_prompt`), a line that is added
before the gap moves it: its keys and values are then moved too, their keys turned by the distance. That is
exact but for what those tokens would have seen of the new line, and is made exact while nobody waits
(`settle`). Knows token ids and `DenoisingModel`; knows no text and no canvas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.models.base import KV, DenoisingModel, MovingModel

MOST_CHANGED = 128
"""Tokens before a moved part that it may not have seen."""
LEAST_MOVED = 16
"""Tokens that are worth moving."""
EXACT_WORTH = 8
"""Tokens that may be encoded again to answer from exact keys and values instead of moved ones."""


@dataclass(slots=True)
class Entry:
    """One prompt that was encoded: `kv` holds exactly `ids`."""

    ids: list[int]
    kv: KV
    settled: int = 0
    """Of `ids`, those whose end may be moved (`Prompt.settled`)."""
    exact: int = 0
    """Of `ids`, those at the start whose keys and values are what encoding them would give."""

    def truncate(self, length: int) -> None:
        """Forget everything from `length` on."""
        self.kv.truncate(length)
        del self.ids[length:]
        self.exact = min(self.exact, length)


@dataclass(frozen=True, slots=True)
class Plan:
    """How an entry would serve a prompt."""

    entry: Entry | None
    shared: int = 0
    """Tokens at the start that both have."""
    moved: int = 0
    """Tokens of the entry's settled part, at its end, that also end the prompt's."""

    @property
    def reused(self) -> int:
        return self.shared + self.moved

    @property
    def worth(self) -> int:
        if self.entry is None or (not self.moved and self.shared <= self.entry.exact):
            return self.reused
        return self.reused - EXACT_WORTH


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

    def missing(self, ids: list[int], settled: int = 0) -> int:
        """How many of `ids` would have to be encoded."""
        return len(ids) - self._best(ids, settled).reused

    def extend(
        self, ids: list[int], settled: int = 0, *, most: int | None = None, step: int = 0,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> tuple[Entry, int]:  # fmt: skip
        """Make an entry hold `ids`, or as far as `most` new tokens and `interrupted` allow.

        settled: see `Prompt.settled`. 0: nothing is moved.
        step: encode that many tokens at a time and ask `interrupted` in between; 0: all at once.
        Returns the entry and the number of tokens that were already there.
        """
        plan = self._best(ids, settled)
        entry = self._claim(plan, ids, settled)
        end = len(ids) if most is None else min(len(ids), len(entry.ids) + most)
        self._encode(entry, ids[:end], step, interrupted)
        self._evict()
        return entry, plan.reused

    def settle(
        self, ids: list[int], settled: int = 0, *, step: int,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> bool:  # fmt: skip
        """Encode `ids` exactly, beside what may be there of them with moved parts: that one goes when the
        exact one is whole. Returns whether it is; else what has been done is kept for the next time."""
        if not settled:  # nothing was moved
            entry, _ = self.extend(ids, step=step, interrupted=interrupted)
            return len(entry.ids) == len(ids)
        assert isinstance(self._model, MovingModel)
        whole = max(self._entries, key=lambda each: _exactly_shared(each, ids), default=None)
        shared = 0 if whole is None else _exactly_shared(whole, ids)
        if whole is None or shared < len(whole.ids):
            copy = Entry([], self._model.new_kv(), settled)
            if whole is not None and shared:
                self._model.copy(whole.kv, copy.kv, shared)
                copy.ids, copy.exact = ids[:shared], shared
            whole = copy
            self._entries.append(whole)
        whole.settled = settled
        self._encode(whole, ids, step, interrupted)
        done = len(whole.ids) == len(ids)
        if done:
            self._entries = [
                each for each in self._entries
                if each is whole or common_start(each.ids, ids) <= each.exact
            ]  # fmt: skip
        self._evict()
        return done

    def clear(self) -> None:
        """Give the memory back."""
        self._entries.clear()

    def _claim(self, plan: Plan, ids: list[int], settled: int) -> Entry:
        """The plan's entry, rolled back to what it shares with `ids` and with what is moved in its new
        place; now the newest."""
        entry = plan.entry
        if entry is None:
            entry = Entry([], self._model.new_kv())
        else:
            self._entries.remove(entry)
        self._entries.append(entry)
        if plan.moved:
            assert isinstance(self._model, MovingModel)
            lifted = self._model.lift(entry.kv, entry.settled - plan.moved, entry.settled)
            entry.truncate(plan.shared)
            self._encode(entry, ids[: settled - plan.moved], 0, lambda: False)
            self._model.lay(lifted, entry.kv)
            entry.ids += ids[settled - plan.moved : settled]
        else:
            entry.truncate(plan.shared)
        entry.settled = settled
        return entry

    def _encode(
        self, entry: Entry, ids: list[int], step: int, interrupted: Callable[[], bool]
    ) -> None:
        """Append what `entry` lacks of `ids`, which begin with its own."""
        while len(entry.ids) < len(ids):
            held = len(entry.ids)
            piece = ids[held : held + (step or len(ids))]
            self._model.encode(torch.tensor(piece, device=self._model.device), entry.kv)
            entry.ids.extend(piece)
            if entry.exact == held:
                entry.exact = len(entry.ids)
            if interrupted():
                return

    def _best(self, ids: list[int], settled: int) -> Plan:
        """The entry that saves most, and how."""
        best = Plan(None)
        for entry in self._entries:
            plan = _plan(entry, ids, settled)
            # An entry that would lose more than it gives belongs to something else: leave it.
            if plan.worth > best.worth and 2 * plan.reused >= len(entry.ids):
                best = plan
        return best

    def _evict(self) -> None:
        while len(self._entries) > 1 and (
            len(self._entries) > self._most_entries
            or sum(len(entry.ids) for entry in self._entries) > self._token_limit
            or self.nbytes > self._byte_limit
        ):
            del self._entries[0]


def _plan(entry: Entry, ids: list[int], settled: int) -> Plan:
    shared = common_start(entry.ids, ids)
    whole = 0 < entry.settled <= len(entry.ids)
    if not settled or not whole or shared >= min(settled, entry.settled):
        return Plan(entry, shared)
    own, wanted = entry.ids[shared : entry.settled], ids[shared:settled]
    moved = common_start(own[::-1], wanted[::-1])
    if moved < LEAST_MOVED or len(wanted) - moved > MOST_CHANGED:
        return Plan(entry, shared)
    return Plan(entry, shared, moved)


def _exactly_shared(entry: Entry, ids: list[int]) -> int:
    return min(entry.exact, common_start(entry.ids, ids))


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
