"""The canvas: laying out, clamping, reading back."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.canvas import Canvas, build, clamp, closed, kept, noisy, reached, read, settled_head
from engine.config import CANVAS_LIMIT
from engine.models.base import ModelSpec

MASK, DELETE, EOS = 90, 91, 92
MASKED = ModelSpec(
    name="masked",
    noise="mask",
    order="any",
    shift=True,
    vocab_size=100,
    context_length=512,
    eos_ids=(EOS,),
    mask_id=MASK,
    delete_id=DELETE,
)
UNIFORM = ModelSpec(
    name="uniform",
    noise="uniform",
    order="any",
    shift=False,
    vocab_size=100,
    context_length=512,
    eos_ids=(EOS, 93),
)

pieces = st.lists(st.integers(0, 80), max_size=4)
layouts = st.tuples(
    pieces.map(lambda ids: [1, *ids]),
    st.lists(st.tuples(st.integers(1, 6), pieces), min_size=1, max_size=4),
)
"""A left anchor, then each gap's slots with what follows it."""


def laid_out(layout: tuple[list[int], list[tuple[int, list[int]]]], spec: ModelSpec) -> Canvas:
    left, gaps = layout
    *between, right = [after for _, after in gaps]
    generator = torch.Generator().manual_seed(0)
    return build(left, [slots for slots, _ in gaps], between, right, spec, generator)


def slow_read(
    ids: list[int], canvas: Canvas, spec: ModelSpec, settled: list[bool]
) -> list[list[int]]:
    """One row, gap by gap and slot by slot, up to the first slot that is not settled."""
    texts = []
    for gap in range(canvas.gaps):
        text = []
        for position in range(canvas.size):
            if int(canvas.gap[position]) != gap:
                continue
            token = ids[position]
            if not settled[position] or token == spec.mask_id or token in spec.eos_ids:
                break
            if token != spec.delete_id:
                text.append(token)
        texts.append(text)
    return texts


def any_ids(seed: int, canvas: Canvas) -> tuple[Tensor, Tensor]:
    """Random ids [3, C], special ones often, anchors in place; and which are settled."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(84, 96, (3, canvas.size), generator=generator)
    settled = torch.rand(3, canvas.size, generator=generator) < 0.8
    return clamp(ids, canvas), settled | ~canvas.free


def test_layout() -> None:
    canvas = build([1, 2], [2, 1], [[3]], [4, 5], MASKED)
    assert canvas.ids.tolist() == [1, 2, MASK, MASK, 3, MASK, 4, 5]
    assert canvas.free.tolist() == [False, False, True, True, False, True, False, False]
    assert canvas.gap.tolist() == [-1, -1, 0, 0, -1, 1, -1, -1]
    assert canvas.slots.tolist() == [2, 3, 5]
    assert (canvas.size, canvas.gaps) == (8, 2)


def test_uniform_noise_needs_no_left_anchor_and_comes_from_the_generator() -> None:
    first, again, other = (
        build([], [200], [], [7], UNIFORM, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first.ids, again.ids)
    assert not torch.equal(first.ids, other.ids)
    assert first.ids[-1] == 7
    assert first.ids.min() >= 0
    assert first.ids.max() < UNIFORM.vocab_size
    assert first.ids.unique().numel() > 50  # 200 of 100 ids: about 87 different ones


def test_the_largest_canvas() -> None:
    assert build([1], [CANVAS_LIMIT - 1], [], [], MASKED).size == CANVAS_LIMIT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1], [200, 50], [[2, 3]], [4, 5, 6, 7]), r"257 tokens do not fit .* 256: 250 .* 7 "),
        (([1], [], [], []), r"at least 1 slot, not \[\]"),
        (([1], [3, 0], [[2]], []), r"at least 1 slot, not \[3, 0\]"),
        (([1], [3, 3], [], []), "2 gaps have 1 texts between, not 0"),
        (([], [3], [], [2]), "'masked' .* needs a left anchor"),
    ],
)
def test_what_is_not_a_canvas(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        build(*arguments, MASKED)


def test_uniform_noise_without_a_generator() -> None:
    with pytest.raises(ValueError, match="needs a generator"):
        build([1], [3], [], [], UNIFORM)


@given(layouts, st.integers(0, 2**32))
@settings(deadline=None)
def test_clamp_puts_anchors_back_and_leaves_slots(layout, seed: int) -> None:
    canvas = laid_out(layout, MASKED)
    ids = torch.randint(100, (3, canvas.size), generator=torch.Generator().manual_seed(seed))
    clamped = clamp(ids, canvas)
    assert (clamped[:, ~canvas.free] == canvas.ids[~canvas.free]).all()
    assert torch.equal(clamped[:, canvas.free], ids[:, canvas.free])


@given(layouts)
@settings(deadline=None)
def test_noise_keeps_anchors(layout) -> None:
    left, gaps = layout
    expected = left + [token for slots, after in gaps for token in [None] * slots + after]
    for spec in (MASKED, UNIFORM):
        canvas = laid_out(layout, spec)
        again = noisy(canvas, spec, torch.Generator().manual_seed(5))
        for ids in (canvas.ids.tolist(), again.tolist()):
            assert [
                token if want is not None else None
                for token, want in zip(ids, expected, strict=True)
            ] == expected


@given(layouts, st.integers(0, 2**32), st.sampled_from([MASKED, UNIFORM]))
@settings(deadline=None)
def test_reading_agrees_with_a_loop(layout, seed: int, spec: ModelSpec) -> None:
    canvas = laid_out(layout, spec)
    ids, settled = any_ids(seed, canvas)
    everything = [True] * canvas.size
    whole = [slow_read(row, canvas, spec, everything) for row in ids.tolist()]
    assert read(ids, canvas, spec) == whole
    chosen = kept(ids, canvas, spec)
    for row in range(3):
        assert ids[row][chosen[row]].tolist() == [token for gap in whole[row] for token in gap]
    for gap in range(canvas.gaps):
        assert settled_head(ids, settled, canvas, spec, gap) == [
            slow_read(row, canvas, spec, known)[gap]
            for row, known in zip(ids.tolist(), settled.tolist(), strict=True)
        ]


@given(layouts, st.integers(0, 2**32))
@settings(deadline=None)
def test_reached_agrees_with_a_loop(layout, seed: int) -> None:
    canvas = laid_out(layout, MASKED)
    flags = torch.rand(2, canvas.size, generator=torch.Generator().manual_seed(seed)) < 0.2
    gap = canvas.gap.tolist()
    slow = [
        [
            gap[here] >= 0 and any(row[i] and gap[i] == gap[here] for i in range(here + 1))
            for here in range(canvas.size)
        ]
        for row in flags.tolist()
    ]
    assert reached(flags, canvas).tolist() == slow


def test_closed_by_end_of_text_or_by_a_slot_too_many() -> None:
    canvas = build([EOS], [2, 2, 2], [[DELETE], []], [EOS], MASKED)
    ids = canvas.ids.clone()
    ids[canvas.slots] = torch.tensor([5, EOS, 5, 6, DELETE, 7])
    assert closed(ids[None], canvas, MASKED) == [[True, False, True]]
