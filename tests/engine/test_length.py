"""The length strategies."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.config import CANVAS_LIMIT, CANVAS_SIZES
from engine.length import best_length, candidate_lengths, length_score, round_up, slots
from engine.models.base import ModelSpec

DELETES = ModelSpec(
    name="deletes",
    noise="mask",
    order="any",
    shift=True,
    vocab_size=100,
    context_length=512,
    eos_ids=(1,),
    mask_id=2,
    delete_id=3,
)
CAUSAL = replace(DELETES, order="left_to_right", delete_id=None)
UNIFORM = replace(DELETES, noise="uniform", mask_id=None, delete_id=None)
CLOSES = replace(UNIFORM, fills_with_eos=True)


@given(st.integers(0, CANVAS_LIMIT))
def test_round_up_is_the_smallest_that_holds(size: int) -> None:
    assert round_up(size) == min(enough for enough in CANVAS_SIZES if enough >= size)


def test_round_up_past_the_largest() -> None:
    with pytest.raises(ValueError, match="257 tokens do not fit a canvas of 256"):
        round_up(257)


@given(
    st.sampled_from([DELETES, CAUSAL, UNIFORM]),
    st.integers(1, 5),
    st.integers(0, 250),
    st.booleans(),
    st.none() | st.integers(1, 300),
)
def test_slots_fit(
    spec, gaps: int, anchors: int, single_line: bool, max_tokens: int | None
) -> None:
    counts = slots(spec, gaps=gaps, anchors=anchors, single_line=single_line, max_tokens=max_tokens)
    assert len(counts) == gaps
    assert min(counts) >= 1
    assert anchors + sum(counts) <= CANVAS_LIMIT
    if max_tokens is not None:
        assert max(counts) <= max_tokens
    elif spec is DELETES:
        assert anchors + sum(counts) in CANVAS_SIZES


@pytest.mark.parametrize(
    ("spec", "single_line", "expected"),
    [
        (DELETES, True, [22]),  # a canvas of 32
        (DELETES, False, [54]),  # of 64
        (CAUSAL, True, [32]),
        (CAUSAL, False, [64]),
        (UNIFORM, True, [32]),
        (UNIFORM, False, [64]),
    ],
)
def test_slots_of_an_ordinary_gap(spec, single_line: bool, expected) -> None:
    assert slots(spec, gaps=1, anchors=10, single_line=single_line) == expected


def test_anchors_that_leave_no_room() -> None:
    with pytest.raises(ValueError, match="255 anchored tokens and 2 gaps do not fit"):
        slots(DELETES, gaps=2, anchors=255, single_line=True)


def test_candidate_lengths() -> None:
    assert candidate_lengths(DELETES, 40) == (40,)
    assert candidate_lengths(CAUSAL, 16) == (16,)
    assert candidate_lengths(CLOSES, 64) == (64,)
    assert candidate_lengths(UNIFORM, 200) == (4, 8, 16, 32, 64)
    assert candidate_lengths(UNIFORM, 20) == (4, 8, 16, 20)
    assert candidate_lengths(UNIFORM, 16) == (4, 8, 16)
    assert candidate_lengths(UNIFORM, 3) == (3,)


def test_length_score_is_the_mean_of_the_surest_probabilities() -> None:
    logits = torch.randn(2, 5, 11, generator=torch.Generator().manual_seed(0))
    slow = [sum(max(position.softmax(0).tolist()) for position in row) / len(row) for row in logits]
    assert length_score(logits) == pytest.approx(slow)


def test_best_length_takes_off_the_bias_for_short_gaps() -> None:
    # A model that is as sure as models are of any gap of that length prefers none of them clearly;
    # one more sure than that of 16 slots should take 16.
    bias = {4: 0.6805, 8: 0.5865, 16: 0.4544, 32: 0.3221, 64: 0.2520}
    assert best_length({**bias, 16: bias[16] * 1.1}) == 16
    assert best_length({**bias, 4: bias[4] * 1.1}) == 4


def test_best_length_of_equals_is_the_shortest() -> None:
    assert best_length({8: 0.0, 4: 0.0}) == 4


def test_best_length_of_nothing() -> None:
    with pytest.raises(ValueError, match="no length was scored"):
        best_length({})
