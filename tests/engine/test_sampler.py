"""Accepting and renoising, against loops that do the same slowly."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.models.base import ModelSpec
from engine.sampler import (
    Constraint,
    MaskSampling,
    MaskState,
    UniformSampling,
    accept_masked,
    bans_for,
    close_gaps,
    constrain,
    draw,
    sample_uniform,
    sampling_for,
)

VOCABULARY, MASK = 12, 11
SPEC = ModelSpec(
    name="masked",
    noise="mask",
    order="left_to_right",
    shift=True,
    vocab_size=VOCABULARY,
    context_length=64,
    eos_ids=(9,),
    mask_id=MASK,
    forbidden_ids=(8,),
)
seeds = st.integers(0, 2**32)


def slow_draw(probability: Tensor, generator: torch.Generator) -> list[list[int]]:
    """Walk along each position's probabilities until they add up to a random point."""
    points = torch.rand((*probability.shape[:2], 1), generator=generator, dtype=probability.dtype)
    drawn = []
    for row, row_points in zip(probability.tolist(), points.tolist(), strict=True):
        drawn.append([])
        for each, (point,) in zip(row, row_points, strict=True):
            walked, total = 0.0, sum(each)
            for token, share in enumerate(each):
                walked += share
                if walked > point * total:
                    drawn[-1].append(token)
                    break
    return drawn


def slow_accept(
    state: MaskState,
    logits: Tensor,
    rows: Tensor,
    sampling: MaskSampling,
    temperatures: list[float],
    steps_left: int,
    generator: torch.Generator,
) -> tuple[list[list], list[list], list[list], list[list]]:
    """What `accept_masked` does to ids, settled, confidence and corrected, slot by slot."""
    ids, settled, confidence, corrected = (
        each.tolist() for each in (state.ids, state.settled, state.confidence, state.corrected)
    )
    probability = logits.softmax(-1)
    warm = [row for row, temperature in enumerate(temperatures) if temperature > 0]
    heat = torch.tensor([temperatures[row] for row in warm], dtype=logits.dtype)
    samples = slow_draw((logits[warm] / heat[:, None, None]).softmax(-1), generator) if warm else []
    for row in range(len(temperatures)):
        asked = rows[row].tolist()
        token = (
            samples[warm.index(row)] if row in warm else logits[row].argmax(-1).tolist()
        )  # of each asked position
        sure = [float(probability[row, i, token[i]]) for i in range(len(asked))]
        fresh = [float(probability[row, i, ids[row][p]]) for i, p in enumerate(asked)]
        masked = [i for i, p in enumerate(asked) if not settled[row][p]]
        standing = [i for i, p in enumerate(asked) if settled[row][p]]
        quota = math.ceil(len(masked) / steps_left)
        best = sorted(masked, key=lambda i: (sampling.left_bias * i - sure[i], i))[:quota]
        doubtful = [
            i for i in standing if fresh[i] < sampling.remask_below and not corrected[row][asked[i]]
        ]
        doubtful = sorted(doubtful, key=lambda i: (fresh[i], i))[: len(standing) // 2]
        for i in masked:
            if i in best or sure[i] >= sampling.threshold:
                position = asked[i]
                ids[row][position] = token[i]
                settled[row][position] = True
                confidence[row][position] = sure[i]
        if masked and steps_left > 1:
            for i in doubtful:
                position = asked[i]
                ids[row][position] = sampling.mask_id
                settled[row][position] = False
                confidence[row][position] = 0.0
                corrected[row][position] = True
    return ids, settled, confidence, corrected


def any_state(seed: int, rows: int, width: int) -> tuple[MaskState, Tensor, Tensor]:
    """A state halfway, positions asked for (three in four, ascending), and logits that are sharp
    now and then. In float64, so that the loops add up the same."""
    generator = torch.Generator().manual_seed(seed)
    settled = torch.rand(rows, width, generator=generator) < torch.rand(
        rows, 1, generator=generator
    )
    ids = torch.randint(VOCABULARY - 1, (rows, width), generator=generator)
    state = MaskState(
        ids.masked_fill(~settled, MASK),
        settled,
        torch.rand(rows, width, generator=generator, dtype=torch.float64) * settled,
        torch.rand(rows, width, generator=generator) < 0.2,
    )
    asked = max(1, width * 3 // 4)
    positions = torch.stack(
        [torch.randperm(width, generator=generator)[:asked].sort().values for _ in range(rows)]
    )
    sharpness = 10 * torch.rand(rows, asked, 1, generator=generator, dtype=torch.float64)
    logits = sharpness * torch.randn(
        rows, asked, VOCABULARY, generator=generator, dtype=torch.float64
    )
    logits[..., MASK] = -torch.inf
    return state, positions, logits


@given(
    seeds,
    st.integers(1, 3),
    st.integers(1, 12),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.05, 0.5]),
    st.sampled_from([0.1, 0.5, 1.1]),
    st.sampled_from([0.0, 0.8]),
)
@settings(max_examples=200, deadline=None)
def test_accept_masked_agrees_with_a_loop(
    seed: int,
    variants: int,
    width: int,
    steps_left: int,
    bias: float,
    remask_below: float,
    temperature: float,
) -> None:
    state, rows, logits = any_state(seed, variants, width)
    sampling = MaskSampling(MASK, left_bias=bias, remask_below=remask_below, threshold=0.7)
    temperatures = [0.0] + [temperature] * (variants - 1)
    arguments = (state, logits, rows, sampling, temperatures, steps_left)
    new, guess = accept_masked(*arguments, torch.Generator().manual_seed(seed))
    ids, settled, confidence, corrected = slow_accept(
        *arguments, torch.Generator().manual_seed(seed)
    )
    assert new.ids.tolist() == ids
    assert new.settled.tolist() == settled
    assert new.corrected.tolist() == corrected
    torch.testing.assert_close(new.confidence, torch.tensor(confidence, dtype=torch.float64))
    assert torch.equal(guess, logits.argmax(-1))


@given(seeds, st.integers(1, 12), st.integers(1, 6))
@settings(deadline=None)
def test_accepting_keeps_its_promises(seed: int, width: int, steps_left: int) -> None:
    state, rows, logits = any_state(seed, 2, width)
    sampling = MaskSampling(MASK, remask_below=1.1)  # doubts everything
    new, _ = accept_masked(
        state, logits, rows, sampling, [0.0, 1.0], steps_left, torch.Generator().manual_seed(seed)
    )
    for row in range(2):
        asked = set(rows[row].tolist())
        before = {p for p in asked if state.settled[row, p]}
        after = {p for p in asked if new.settled[row, p]}
        masked = asked - before
        accepted, again = after - before, before - after
        assert len(accepted) >= math.ceil(len(masked) / steps_left)
        assert len(again) <= len(before) // 2
        assert not any(state.corrected[row, p] for p in again)
        if steps_left == 1:
            assert after == asked
        if not masked:
            assert after == before
        for p in set(range(width)) - asked:
            assert new.ids[row, p] == state.ids[row, p]
            assert new.settled[row, p] == state.settled[row, p]
        assert all((new.ids[row, p] == MASK) == (p not in after) for p in asked)


def test_a_greedy_row_needs_no_randomness() -> None:
    state, rows, logits = any_state(3, 1, 8)
    generator = torch.Generator().manual_seed(1)
    untouched = generator.get_state()
    accept_masked(state, logits, rows, MaskSampling(MASK), [0.0], 4, generator)
    assert torch.equal(generator.get_state(), untouched)


def test_left_bias_decides_between_equals_only_when_asked() -> None:
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    state = MaskState(torch.full((1, 3), MASK), nothing, torch.zeros(1, 3), nothing)
    logits = torch.zeros(1, 3, VOCABULARY)
    logits[0, :, 4] = torch.tensor([3.0, 2.0, 3.5])
    rows = torch.arange(3)[None]

    def first(sampling: MaskSampling) -> list[bool]:
        new, _ = accept_masked(state, logits, rows, sampling, [0.0], 9, torch.Generator())
        return new.settled[0].tolist()

    assert first(MaskSampling(MASK)) == [False, False, True]
    assert first(MaskSampling(MASK, left_bias=0.2)) == [True, False, False]


@given(seeds)
@settings(deadline=None)
def test_draw_agrees_with_a_loop(seed: int) -> None:
    _, _, logits = any_state(seed, 3, 8)
    probability = logits.softmax(-1)
    fast = draw(probability, torch.Generator().manual_seed(seed))
    assert fast.tolist() == slow_draw(probability, torch.Generator().manual_seed(seed))


def test_draw_follows_the_probabilities() -> None:
    """20,000 draws: each share's standard deviation is below 0.0036, and 0.02 is more than five of
    them; the seed is fixed, so this passes always or never."""
    probability = torch.tensor([0.0, 0.5, 0.3, 0.0, 0.15, 0.05, 0.0]).expand(1, 20_000, 7)
    drawn = draw(probability, torch.Generator().manual_seed(0))
    share = drawn.flatten().bincount(minlength=7) / 20_000
    assert (share - probability[0, 0]).abs().max() < 0.02
    assert share[probability[0, 0] == 0].sum() == 0


def test_draw_over_a_large_vocabulary_never_takes_the_impossible() -> None:
    """Float sums over 49,152 ids are rounded; a banned id must not be drawn for that."""
    logits = torch.randn(1, 500, 49_152, generator=torch.Generator().manual_seed(0))
    logits[..., 1::2] = -torch.inf
    drawn = draw(logits.softmax(-1), torch.Generator().manual_seed(1))
    assert (drawn % 2 == 0).all()


@pytest.mark.parametrize(("point", "token"), [(0.0, 1), (1.0, 2)])
def test_draw_at_the_ends_takes_nothing_impossible(
    point: float, token: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random numbers are below 1, but their product with the sum may be rounded up to the sum."""
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, point))
    probability = torch.tensor([[[0.0, 0.25, 0.75, 0.0]]])
    assert draw(probability, torch.Generator()).tolist() == [[token]]


@given(seeds, st.floats(0.01, 5.0))
@settings(deadline=None)
def test_sample_uniform_agrees_with_a_loop(seed: int, bound: float) -> None:
    _, _, logits = any_state(seed, 3, 12)
    sampling = UniformSampling(VOCABULARY, entropy_bound=bound)
    sample = sample_uniform(logits, sampling, torch.Generator().manual_seed(seed))

    generator = torch.Generator().manual_seed(seed)
    probability = logits.softmax(-1)
    token = draw(probability, generator)
    noise = torch.randint(VOCABULARY, token.shape, generator=generator)
    for row, positions in enumerate(probability.tolist()):
        entropy = [-sum(p * math.log(p) for p in each if p > 0) for each in positions]
        spent, accepted = 0.0, set()
        for position in sorted(range(len(entropy)), key=lambda i: (entropy[i], i)):
            if spent > bound:
                break
            accepted.add(position)
            spent += entropy[position]
        for position, each in enumerate(positions):
            assert bool(sample.accepted[row, position]) == (position in accepted)
            expected = token if position in accepted else noise
            assert sample.ids[row, position] == expected[row, position]
            assert sample.guess[row, position] == each.index(max(each))
            assert float(sample.confidence[row, position]) == pytest.approx(max(each))
            assert float(sample.entropy[row, position]) == pytest.approx(
                entropy[position], abs=1e-9
            )


def test_uniform_noise_always_accepts_the_surest_position() -> None:
    sample = sample_uniform(
        torch.zeros(2, 5, VOCABULARY), UniformSampling(VOCABULARY), torch.Generator()
    )
    assert sample.accepted.sum(1).tolist() == [1, 1]


def test_renoising_draws_from_the_whole_vocabulary() -> None:
    """2,000 positions, one accepted: each of 12 ids turns up, banned or not (odds against one:
    (11/12)^1999, about 1e-76)."""
    logits = torch.zeros(1, 2000, VOCABULARY)
    logits[..., MASK] = -torch.inf
    sample = sample_uniform(logits, UniformSampling(VOCABULARY), torch.Generator().manual_seed(0))
    assert sample.ids.unique().tolist() == list(range(VOCABULARY))


def test_temperature_falls_from_hot_towards_cold() -> None:
    sampling = UniformSampling(VOCABULARY)
    temperatures = [sampling.temperature(index, 48) for index in range(48)]
    assert temperatures[0] == pytest.approx(0.8)
    assert temperatures[-1] == pytest.approx(0.4 + 0.4 / 48)
    assert temperatures == sorted(temperatures, reverse=True)


@given(seeds, st.booleans())
@settings(deadline=None)
def test_constrain_agrees_with_a_loop(seed: int, with_bans: bool) -> None:
    _, rows, logits = any_state(seed, 2, 8)
    given_logits = logits.clone()
    bans = torch.zeros(VOCABULARY).masked_fill(torch.arange(VOCABULARY) % 3 == 0, -torch.inf)
    constraints = [
        Constraint(int(rows[0, 0]), torch.tensor([0, 5])),
        Constraint(int(rows[-1, -1]), torch.tensor([2])),
    ]
    fast = constrain(logits, rows, bans if with_bans else None, constraints)
    for row in range(2):
        for column, position in enumerate(rows[row].tolist()):
            allowed = {c.position: set(c.ids.tolist()) for c in constraints}.get(position)
            for token in range(VOCABULARY):
                banned = with_bans and token % 3 == 0 if allowed is None else token not in allowed
                want = -math.inf if banned else float(logits[row, column, token])
                assert float(fast[row, column, token]) == want
    assert torch.equal(logits, given_logits)


def test_a_constraint_must_allow_something() -> None:
    with pytest.raises(ValueError, match="canvas position 3 allows no id"):
        Constraint(3, torch.tensor([], dtype=torch.int64))


def test_bans() -> None:
    banned = (bans_for(SPEC, more=[0]) == -torch.inf).nonzero().flatten().tolist()
    assert banned == [0, 8, MASK]
    assert bans_for(SPEC)[[1, 9]].tolist() == [0.0, 0.0]


def test_sampling_for_each_noise() -> None:
    assert sampling_for(SPEC) == MaskSampling(MASK, "left_to_right", (9,))
    uniform = replace(SPEC, noise="uniform", order="any", mask_id=None)
    assert sampling_for(uniform) == UniformSampling(VOCABULARY, 0.8, 0.4, 0.1, 0.005)


def test_close_gaps_leaves_what_is_settled() -> None:
    settled = torch.tensor([[True, True, False, False]])
    state = MaskState(torch.tensor([[5, 9, MASK, MASK]]), settled, settled * 0.5, ~settled)
    new = close_gaps(state, torch.tensor([[False, True, True, False]]), end_id=9)
    assert new.ids.tolist() == [[5, 9, 9, MASK]]
    assert new.settled.tolist() == [[True, True, True, False]]
    assert new.confidence.tolist() == [[0.5, 0.5, 1.0, 0.0]]
