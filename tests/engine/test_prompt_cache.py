"""The prompt cache holds exactly what a fresh encode would, with the least encoding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt_cache import PromptCache, common_start


class ListKV:
    """Keys and values are the ids themselves: whoever reads them can tell what was encoded."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    @property
    def length(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        return len(self.ids)

    def truncate(self, length: int) -> None:
        assert 0 <= length <= len(self.ids)
        del self.ids[length:]


class CountingModel:
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.encoded = 0

    def new_kv(self) -> ListKV:
        return ListKV()

    def encode(self, ids: torch.Tensor, kv: ListKV) -> None:
        self.encoded += len(ids)
        kv.ids += ids.tolist()


ids_lists = st.lists(st.integers(0, 3), max_size=40)


@given(ids_lists, ids_lists)
def test_common_start_is_the_obvious_one(left: list[int], right: list[int]) -> None:
    slow = 0
    while slow < min(len(left), len(right)) and left[slow] == right[slow]:
        slow += 1
    assert common_start(left, right) == slow


@given(st.lists(ids_lists, max_size=12), st.integers(0, 7))
def test_whatever_came_before_the_entry_holds_the_prompt(
    prompts: list[list[int]], step: int
) -> None:
    model = CountingModel()
    cache = PromptCache(model, entries=2, token_limit=60)
    for ids in prompts:
        missing, before = cache.missing(ids), model.encoded
        entry, reused = cache.extend(ids, step=step)
        assert entry.ids == ids == entry.kv.ids
        assert model.encoded - before == missing == len(ids) - reused


def test_a_keystroke_at_the_end_encodes_only_the_new_tokens() -> None:
    model = CountingModel()
    cache = PromptCache(model)
    cache.extend(list(range(4000)))
    before = model.encoded
    cache.extend([*range(3999), 7, 8])
    assert model.encoded - before == 2


def test_a_short_prompt_of_another_document_does_not_destroy_a_long_one() -> None:
    model = CountingModel()
    cache = PromptCache(model)
    long = list(range(1000))
    cache.extend(long)
    cache.extend([*range(10), -1, -2])  # shares ten tokens, e.g. a licence header
    assert cache.missing(long) == 0


def test_growth_stops_when_interrupted_and_goes_on_later() -> None:
    model = CountingModel()
    cache = PromptCache(model)
    ids = list(range(100))
    entry, _ = cache.extend(ids, step=16, interrupted=lambda: model.encoded >= 32)
    assert entry.ids == ids[:32]
    entry, reused = cache.extend(ids, step=16)
    assert (entry.ids, reused) == (ids, 32)


@pytest.mark.parametrize("limit", ["token_limit", "byte_limit"])  # a token is a byte here
def test_memory_is_bounded_but_the_newest_prompt_always_lives(limit: str) -> None:
    cache = PromptCache(CountingModel(), entries=3, **{limit: 50})
    for start in (0, 100, 200):
        cache.extend(list(range(start, start + 30)))
    assert cache.nbytes <= 50
    cache.extend(list(range(500, 600)))
    assert cache.nbytes == 100
