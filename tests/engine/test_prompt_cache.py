"""The prompt cache holds exactly what a fresh encode would, with the least encoding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt_cache import MOST_CHANGED, PromptCache, common_start


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
    spec = None

    def denoise(self) -> None:
        """Never called."""

    def __init__(self) -> None:
        self.encoded = 0

    def new_kv(self) -> ListKV:
        return ListKV()

    def encode(self, ids: torch.Tensor, kv: ListKV) -> None:
        self.encoded += len(ids)
        kv.ids += ids.tolist()

    def copy(self, source: ListKV, target: ListKV, length: int) -> None:
        assert not target.ids
        target.ids += source.ids[:length]

    def lift(self, kv: ListKV, start: int, end: int) -> list[int]:
        return kv.ids[start:end]

    def lay(self, lifted: list[int], kv: ListKV) -> None:
        kv.ids += lifted


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


SUFFIX = list(range(100, 140))


def moving(prefix: list[int], tail: list[int]) -> tuple[list[int], int]:
    """A prompt whose prefix stands before a suffix, and how much of it is settled."""
    return [*prefix, *SUFFIX, *tail], len(prefix) + len(SUFFIX)


def test_a_new_line_moves_what_stands_behind_it() -> None:
    model = CountingModel()
    cache = PromptCache(model)  # type: ignore[arg-type]
    cache.extend(*moving([1, 2, 3], [7, 8]))
    encoded = model.encoded
    ids, settled = moving([1, 2, 3, 7, 8, 9], [5])
    assert cache.missing(ids, settled) == 4
    entry, reused = cache.extend(ids, settled)
    assert model.encoded - encoded == 4  # the line that is new, and the end
    assert reused == 3 + len(SUFFIX)
    assert entry.kv.ids == entry.ids == ids
    assert entry.exact == 6


def test_a_line_that_goes_moves_it_back() -> None:
    model = CountingModel()
    cache = PromptCache(model)  # type: ignore[arg-type]
    cache.extend(*moving([1, 2, 3, 4, 5], [7]))
    encoded = model.encoded
    entry, _ = cache.extend(*moving([1, 2], [7]))
    assert model.encoded - encoded == 1
    assert entry.kv.ids == moving([1, 2], [7])[0]


def test_the_head_of_the_suffix_may_change_too() -> None:
    model = CountingModel()
    cache = PromptCache(model)  # type: ignore[arg-type]
    cache.extend([1, 2, 50, *SUFFIX, 7], 3 + len(SUFFIX))
    entry, reused = cache.extend([1, 2, 7, 51, *SUFFIX, 8], 4 + len(SUFFIX))
    assert reused == 2 + len(SUFFIX)
    assert entry.kv.ids == [1, 2, 7, 51, *SUFFIX, 8]


def test_too_much_that_is_new_moves_nothing() -> None:
    model = CountingModel()
    cache = PromptCache(model)  # type: ignore[arg-type]
    cache.extend(*moving([1, 2, 3], [7]))
    pasted = [*range(200, 200 + MOST_CHANGED + 1)]
    entry, reused = cache.extend(*moving([1, 2, 3, *pasted], [7]))
    assert reused <= 3
    assert entry.exact == len(entry.ids)


def test_what_was_never_encoded_to_its_end_is_not_moved() -> None:
    model = CountingModel()
    cache = PromptCache(model)  # type: ignore[arg-type]
    cache.extend(*moving([1, 2, 3], [7]), step=20, interrupted=lambda: True)
    ids, settled = moving([1, 2, 3, 4], [7])
    entry, _ = cache.extend(ids, settled)
    assert entry.kv.ids == ids
    assert entry.exact == len(ids)


def test_what_was_moved_is_made_exact_while_nobody_waits() -> None:
    model = CountingModel()
    cache = PromptCache(model)  # type: ignore[arg-type]
    cache.extend(*moving([1, 2, 3], [7]))
    ids, settled = moving([1, 2, 3, 4], [7])
    moved, _ = cache.extend(ids, settled)
    looks = iter([True, False, False, False, False, False, False, False])
    assert not cache.settle(ids, settled, step=16, interrupted=lambda: next(looks))
    again, reused = cache.extend(ids, settled)  # a key in between still has what was moved
    assert again is moved
    assert reused == len(ids)
    assert cache.settle(ids, settled, step=16)
    exact, reused = cache.extend(ids, settled)
    assert exact is not moved
    assert exact.exact == len(ids) == reused
    assert exact.kv.ids == ids
    encoded = model.encoded
    assert cache.settle(ids, settled, step=16)
    assert model.encoded == encoded


@given(
    st.lists(st.tuples(ids_lists, ids_lists, ids_lists, st.booleans()), max_size=8),
    st.integers(1, 7),
)
def test_moved_or_not_the_entry_holds_the_prompt(
    prompts: list[tuple[list[int], list[int], list[int], bool]], step: int
) -> None:
    model = CountingModel()
    cache = PromptCache(model)  # type: ignore[arg-type]
    for prefix, suffix, tail, settle in prompts:
        ids, settled = [*prefix, *SUFFIX[:20], *suffix, *tail], len(prefix) + 20 + len(suffix)
        missing = cache.missing(ids, settled)
        entry, reused = cache.extend(ids, settled, step=step)
        assert entry.ids == entry.kv.ids == ids
        assert reused == len(ids) - missing
        assert 0 <= entry.exact <= len(ids)
        if settle:
            assert cache.settle(ids, settled, step=step)
