"""The denoising loop: it ends, keeps its anchors, and can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.canvas import Canvas, build, read, settled_head
from engine.denoise import Step, denoise
from engine.models.base import KV, DenoisingModel, ModelSpec
from engine.sampler import (
    Constraint,
    MaskSampling,
    OneLine,
    UniformSampling,
    bans_for,
    sampling_for,
)

VOCABULARY, EOS, MASK = 20, 18, 19
ANY = ModelSpec(
    name="scripted",
    noise="mask",
    order="any",
    shift=False,
    vocab_size=VOCABULARY,
    context_length=512,
    eos_ids=(EOS,),
    mask_id=MASK,
)
LEFT_TO_RIGHT = replace(ANY, order="left_to_right")
UNIFORM = replace(ANY, noise="uniform", mask_id=None)
SPECS = [ANY, LEFT_TO_RIGHT, UNIFORM]


class ScriptedKV:
    """No keys and values: only how many there would be."""

    def __init__(self) -> None:
        self.length = 0

    @property
    def nbytes(self) -> int:
        return 0

    def truncate(self, length: int) -> None:
        assert 0 <= length <= self.length
        self.length = length


class ScriptedModel:
    """A DenoisingModel that says what a function says: (call, ids [B, C]) → logits [B, C, V]."""

    def __init__(self, spec: ModelSpec, script: Callable[[int, Tensor], Tensor]) -> None:
        self.spec = spec
        self.device = torch.device("cpu")
        self.script = script
        self.asked: list[Tensor] = []
        self.signals: list[Tensor | None] = []

    def new_kv(self) -> KV:
        return ScriptedKV()

    def encode(self, ids: Tensor, kv: KV) -> None:
        kv.length += len(ids)

    def denoise(self, canvas: Tensor, kv: KV, rows: Tensor, signal: Tensor | None = None) -> Tensor:
        logits = self.script(len(self.asked), canvas)
        self.asked.append(rows)
        self.signals.append(signal)
        return logits.gather(1, rows[:, :, None].expand(-1, -1, self.spec.vocab_size))


def certain(target: Tensor) -> Callable[[int, Tensor], Tensor]:
    """Quite sure of `target` [C], whatever stands on the canvas."""
    logits = 20.0 * torch.nn.functional.one_hot(target, VOCABULARY)
    return lambda _, ids: logits.repeat(ids.shape[0], 1, 1)


def random_logits(seed: int, sharpness: float) -> Callable[[int, Tensor], Tensor]:
    """New logits in each step, of one and the same run for one seed."""
    generator = torch.Generator().manual_seed(seed)
    return lambda _, ids: sharpness * torch.randn(*ids.shape, VOCABULARY, generator=generator)


def contrary(_: int, ids: Tensor) -> Tensor:
    """Sure of another token than the one that stands there: it would change its mind for ever."""
    return 20.0 * torch.nn.functional.one_hot((ids + 1) % (VOCABULARY - 2), VOCABULARY)


def run(
    model: DenoisingModel, canvas: Canvas, seed: int = 0, max_steps: int = 8, **options
) -> list[Step]:
    kv = model.new_kv()
    options = {"bans": bans_for(model.spec), "sampling": sampling_for(model.spec)} | options
    return list(
        denoise(
            lambda ids, rows, signal: model.denoise(ids, kv, rows, signal),
            canvas,
            generator=torch.Generator().manual_seed(seed),
            max_steps=max_steps,
            **options,
        )
    )


def three_gaps(spec: ModelSpec, slots: tuple[int, int, int] = (3, 1, 4)) -> Canvas:
    generator = torch.Generator().manual_seed(0)
    return build([1, 2], list(slots), [[3], []], [4, 5], spec, generator)


def single_gap(spec: ModelSpec, slots: int) -> Canvas:
    return build([1, 2], [slots], [], [4, 5], spec, torch.Generator().manual_seed(0))


def assert_sound(steps: list[Step], canvas: Canvas, spec: ModelSpec, max_steps: int) -> None:
    """What holds for every run, whatever the model says."""
    slots = int(canvas.free.sum())
    limit = max(max_steps, slots) if spec.order == "left_to_right" else max_steps
    assert [step.index for step in steps] == list(range(len(steps)))
    assert len(steps) <= limit
    anchors = ~canvas.free
    before = torch.zeros_like(steps[0].done)
    for number, step in enumerate(steps):
        assert step.forwards == number + 1
        assert (step.ids[:, anchors] == canvas.ids[anchors]).all()
        assert step.settled[:, anchors].all()
        assert (step.confidence[:, anchors] == 1).all()
        assert (step.confidence[~step.settled] == 0).all()
        assert (step.confidence[step.settled] > 0).all()
        if spec.order == "any":
            assert (step.ids != MASK).all() or spec.noise == "uniform"
        assert step.settled[step.done].all()
        assert step.done[before].all()  # done stays done
        if number:
            for now, last in zip(
                (step.ids, step.confidence, step.settled),
                (steps[number - 1].ids, steps[number - 1].confidence, steps[number - 1].settled),
                strict=True,
            ):
                assert torch.equal(now[before], last[before])  # and does not change
        before = step.done
    assert steps[-1].done.all() or len(steps) == limit
    assert not any(step.done.all() for step in steps[:-1])
    assert steps[-1].settled.all()


@given(
    st.sampled_from(SPECS),
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.integers(1, 12),
    st.sampled_from([0.0, 1.0, 5.0, 30.0]),
    st.tuples(*[st.integers(1, 5)] * 3),
)
@settings(max_examples=150, deadline=None)
def test_anchors_never_change_and_every_run_ends(
    spec: ModelSpec,
    seed: int,
    variants: int,
    max_steps: int,
    sharpness: float,
    slots: tuple[int, int, int],
) -> None:
    canvas = three_gaps(spec, slots)
    model = ScriptedModel(spec, random_logits(seed, sharpness))
    steps = run(model, canvas, seed, max_steps, variants=variants)
    assert_sound(steps, canvas, spec, max_steps)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.noise}-{spec.order}")
@pytest.mark.parametrize("max_steps", [1, 2, 5, 40])
def test_a_contrary_model_comes_to_an_end(spec: ModelSpec, max_steps: int) -> None:
    canvas = three_gaps(spec)
    steps = run(ScriptedModel(spec, contrary), canvas, max_steps=max_steps, variants=3)
    assert_sound(steps, canvas, spec, max_steps)


@pytest.mark.parametrize("slots", [1, 2, 7, 30])
def test_a_contrary_model_may_correct_each_slot_once(slots: int) -> None:
    """Two tokens must not take turns until the steps are used up: on a CPU that is seconds."""
    steps = run(ScriptedModel(ANY, contrary), single_gap(ANY, slots), max_steps=10_000)
    assert steps[-1].done.all()
    assert len(steps) <= 2 * slots


def test_doubtful_tokens_are_masked_and_filled_again() -> None:
    """The model first says 6, then takes 7 for right in the first slot: the answer is 7."""
    first, later = torch.full((7,), 6), torch.full((7,), 6)
    later[2] = 7

    def script(call: int, ids: Tensor) -> Tensor:
        logits = certain(first if call == 0 else later)(call, ids)
        if call == 0:
            logits[:, 4] = 0.0  # unsure of the last slot, so the row goes on
        return logits

    steps = run(ScriptedModel(ANY, script), single_gap(ANY, 3))
    assert [step.settled[0, 2:5].tolist() for step in steps] == [
        [True, True, False],
        [False, True, True],
        [True, True, True],
    ]
    assert read(steps[-1].ids, single_gap(ANY, 3), ANY) == [[[7, 6, 6]]]


def test_a_sure_model_needs_one_step() -> None:
    target = torch.arange(13)
    canvas = three_gaps(ANY)
    (step,) = run(ScriptedModel(ANY, certain(target)), canvas, variants=2)
    assert step.done.all()
    assert read(step.ids, canvas, ANY) == 2 * [[[2, 3, 4], [6], [7, 8, 9, 10]]]


def test_an_unsure_model_accepts_a_share_in_each_step() -> None:
    model = ScriptedModel(ANY, random_logits(0, 0.1))
    sampling = MaskSampling(MASK, remask_below=0.0)
    steps = run(model, single_gap(ANY, 30), max_steps=8, sampling=sampling)
    left = [30, *(int((~step.settled).sum()) for step in steps)]
    assert left == [30, 26, 22, 18, 14, 10, 6, 3, 0]


def test_left_to_right_asks_for_one_position_a_row() -> None:
    canvas = three_gaps(LEFT_TO_RIGHT)
    model = ScriptedModel(LEFT_TO_RIGHT, random_logits(0, 1.0))
    steps = run(model, canvas, max_steps=1, variants=2, bans=bans_for(LEFT_TO_RIGHT, [EOS]))
    assert [rows.tolist() for rows in model.asked] == [[[p], [p]] for p in canvas.slots.tolist()]
    assert len(steps) == 8
    for number, step in enumerate(steps):
        assert step.settled[:, canvas.slots].sum(1).tolist() == [number + 1] * 2
        head = settled_head(step.ids, step.settled, canvas, LEFT_TO_RIGHT)
        assert [len(row) for row in head] == [min(number + 1, 3)] * 2


def test_left_to_right_agrees_with_a_plain_greedy_loop() -> None:
    table = torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(4))
    table[:, [MASK, EOS]] = -9.0  # a model of pairs: the next token depends on the last

    def script(_: int, ids: Tensor) -> Tensor:
        return table[ids.roll(1, 1)]

    expected, token = [], 2
    for _ in range(6):
        token = int(table[token].argmax())
        expected.append(token)
    canvas = single_gap(LEFT_TO_RIGHT, 6)
    steps = run(ScriptedModel(LEFT_TO_RIGHT, script), canvas)
    assert read(steps[-1].ids, canvas, LEFT_TO_RIGHT) == [[expected]]


@pytest.mark.parametrize("gaps", [1, 3])
@pytest.mark.parametrize("one_line", [False, True])
@pytest.mark.parametrize("right", [0.0, 0.5, 1.0])
def test_guesses_save_forwards_and_change_nothing(gaps: int, one_line: bool, right: float) -> None:
    """Wherever the model ends a gap, and however much of what is guessed is right."""
    canvas = three_gaps(LEFT_TO_RIGHT) if gaps == 3 else single_gap(LEFT_TO_RIGHT, 12)
    newline, random = 6, Random(0)
    lines = OneLine(canvas.slots, torch.tensor([newline])) if one_line else None
    never = (EOS, MASK, newline) if one_line else (EOS, MASK)
    forwards = guessed_forwards = 0
    for seed in range(20):
        table = 3 * torch.randn(2, 20, 20, generator=torch.Generator().manual_seed(seed))

        def script(_: int, ids: Tensor, table: Tensor = table) -> Tensor:
            return table[0][ids.roll(1, 1)] + table[1][ids.roll(2, 1)]  # from the last two tokens

        steps = run(ScriptedModel(LEFT_TO_RIGHT, script), canvas, one_line=lines)
        final = steps[-1].ids[0].tolist()

        def guess(ids: Sequence[int], room: int, final: list[int] = final) -> list[int]:
            truth = final[len(ids) : len(ids) + room]
            ends = [at for at, id_ in enumerate(truth) if id_ in never]
            known = truth[: ends[0]] if ends else truth
            return [id_ if random.random() < right else random.randrange(6) for id_ in known]

        guessed = run(ScriptedModel(LEFT_TO_RIGHT, script), canvas, guess=guess, one_line=lines)
        assert guessed[-1].ids.tolist() == steps[-1].ids.tolist()
        torch.testing.assert_close(guessed[-1].confidence, steps[-1].confidence)
        assert guessed[-1].done.all()
        assert len(guessed) <= len(steps)
        forwards, guessed_forwards = forwards + len(steps), guessed_forwards + len(guessed)
        if right == 1.0 and gaps == 1:
            assert len(guessed) <= 2
    assert right == 0.0 or guessed_forwards < forwards


def test_end_of_text_closes_its_gap_without_more_forwards() -> None:
    target = torch.tensor([1, 2, 6, EOS, 6, 3, 7, 8, EOS, 8, 8, 4, 5])
    canvas = three_gaps(LEFT_TO_RIGHT)
    model = ScriptedModel(LEFT_TO_RIGHT, certain(target))
    steps = run(model, canvas)
    assert [int(rows) for rows in model.asked] == [2, 3, 6, 7, 8]
    assert read(steps[-1].ids, canvas, LEFT_TO_RIGHT) == [[[6], [7], [8]]]
    assert steps[-1].done.all()


def test_a_row_that_ends_early_waits_for_the_others() -> None:
    targets = torch.tensor([[1, 2, EOS, 6, 6, 4, 5], [1, 2, 6, 6, 6, 4, 5]])
    logits = 20.0 * torch.nn.functional.one_hot(targets, VOCABULARY)
    model = ScriptedModel(LEFT_TO_RIGHT, lambda *_: logits)
    steps = run(model, single_gap(LEFT_TO_RIGHT, 3), variants=2)
    assert [step.done.tolist() for step in steps] == [[True, False], [True, False], [True, True]]
    # What is asked for the row that is done is never looked at, but must be a slot all the same:
    # a model that predicts the next token has no answer for position 0.
    assert [rows.flatten().tolist() for rows in model.asked] == [[2, 2], [4, 3], [4, 4]]
    assert read(steps[-1].ids, single_gap(LEFT_TO_RIGHT, 3), LEFT_TO_RIGHT) == [[[]], [[6, 6, 6]]]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.noise}-{spec.order}")
def test_seeds_reproduce_and_differ(spec: ModelSpec) -> None:
    """Logits are nearly flat and follow from the canvas, so two runs that differ in one sample go
    apart. Eight slots are the same by chance with odds of about 18^-8."""
    table = 0.1 * torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(9))
    canvas = three_gaps(spec)
    options = {"variants": 3, "bans": bans_for(spec, [EOS])}
    first, again, other = (
        run(ScriptedModel(spec, lambda _, ids: table[ids]), canvas, seed, **options)
        for seed in (1, 1, 2)
    )
    assert len(first) == len(again)
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one.ids, two.ids)
        assert torch.equal(one.confidence, two.confidence)
    assert not torch.equal(first[-1].ids[1], other[-1].ids[1])
    assert not torch.equal(first[-1].ids[1], first[-1].ids[2])
    if spec.noise == "mask":
        assert torch.equal(first[-1].ids[0], other[-1].ids[0])  # greedy


def test_bans_and_constraints_hold_in_every_draft() -> None:
    for spec in SPECS:
        canvas = three_gaps(spec)
        position = int(canvas.slots[0])
        allowed = torch.tensor([7, 11])
        for step in run(
            ScriptedModel(spec, random_logits(3, 2.0)),
            canvas,
            variants=3,
            bans=bans_for(spec, [6, 7]),
            constraints=[Constraint(position, allowed)],
        ):
            assert torch.isin(step.ids[:, position], allowed).all()
            later = step.ids[:, canvas.slots[1:]]
            assert not torch.isin(later, torch.tensor([6, 7])).any()


def test_uniform_stops_when_the_guess_stands_and_is_sure() -> None:
    target = torch.arange(13)
    canvas = three_gaps(UNIFORM)
    model = ScriptedModel(UNIFORM, certain(target))
    steps = run(model, canvas, variants=2)
    assert [step.done.tolist() for step in steps] == [[False, False], [True, True]]
    assert read(steps[-1].ids, canvas, UNIFORM) == 2 * [[[2, 3, 4], [6], [7, 8, 9, 10]]]


def test_one_unsure_slot_among_many_anchors_does_not_stop() -> None:
    """With two even tokens the slot's entropy is ln 2; averaged over 241 positions instead of the
    one that is free it would be 0.0029, less than the bound of 0.005."""
    canvas = build([1] * 120, [1], [], [2] * 120, UNIFORM, torch.Generator())
    logits = torch.zeros(1, 241, VOCABULARY)
    logits[..., 6], logits[..., 7] = 30.0, 29.9
    steps = run(ScriptedModel(UNIFORM, lambda *_: logits), canvas, max_steps=6)
    assert len(steps) == 6
    assert not steps[-1].done.any()
    assert read(steps[-1].ids, canvas, UNIFORM) == [[[6]]]


def test_a_row_that_is_done_holds_no_noise() -> None:
    """Sixty slots of 0.003 nats are stable and sure, but together more than one step accepts."""
    logits = torch.full((1, 64, VOCABULARY), -60.0)
    logits[..., 6], logits[..., 7] = 0.0, -8.0
    sampling = UniformSampling(VOCABULARY, hottest=1.0, coldest=1.0)
    model = ScriptedModel(UNIFORM, lambda *_: logits)
    first, second = run(model, single_gap(UNIFORM, 60), sampling=sampling)
    assert not first.settled.all()
    assert second.done.all()
    assert second.settled.all()
    assert (second.confidence > 0.99).all()


def test_uniform_rows_that_are_done_are_frozen() -> None:
    """Row 0 is sure of 6; once it is done the model says 7 there, which must not be seen."""

    def script(call: int, ids: Tensor) -> Tensor:
        logits = certain(torch.full((7,), 6 if call < 2 else 7))(call, ids)
        logits[1] *= 0 if call < 4 else 1
        return logits

    canvas = single_gap(UNIFORM, 3)
    steps = run(ScriptedModel(UNIFORM, script), canvas, variants=2)
    assert [step.done.tolist() for step in steps] == [[False] * 2] + [[True, False]] * 4 + [
        [True, True]
    ]
    assert read(steps[-1].ids, canvas, UNIFORM) == [[[6, 6, 6]], [[7, 7, 7]]]


def test_uniform_answers_with_the_guess_not_with_the_sample() -> None:
    """A guess of probability 0.4: of 16 samples some are others (odds against: 0.4^16)."""
    logits = torch.zeros(1, 20, VOCABULARY)
    logits[..., 6] = torch.tensor(19 * 0.4 / 0.6).log() * 0.8
    canvas = single_gap(UNIFORM, 16)
    model = ScriptedModel(UNIFORM, lambda *_: logits)
    sampling = UniformSampling(VOCABULARY, entropy_bound=1e9, hottest=0.8, coldest=0.8)
    fed: list[Tensor] = []
    model.script = lambda _, ids: fed.append(ids) or logits
    steps = run(model, canvas, max_steps=2, sampling=sampling)
    assert read(steps[0].ids, canvas, UNIFORM) == [[[6] * 16]]
    assert (fed[1][0, canvas.slots] != 6).any()


def test_uniform_signal_is_the_last_steps_scaled_logits() -> None:
    model = ScriptedModel(UNIFORM, certain(torch.full((7,), 6)))
    run(model, single_gap(UNIFORM, 3), max_steps=4)
    first, second = model.signals
    assert first is None
    expected = torch.zeros(1, 3, VOCABULARY)
    expected[..., 6] = 20.0 / 0.8
    torch.testing.assert_close(second, expected)


def test_each_variant_starts_from_noise_of_its_own() -> None:
    canvas = single_gap(UNIFORM, 20)
    fed: list[Tensor] = []
    model = ScriptedModel(UNIFORM, random_logits(0, 1.0))
    script = model.script
    model.script = lambda call, ids: fed.append(ids) or script(call, ids)
    run(model, canvas, seed=1, variants=2, max_steps=1)
    assert torch.equal(fed[0][0], canvas.ids)
    assert not torch.equal(fed[0][0], fed[0][1])


@pytest.mark.parametrize("option", [{"variants": 0}, {"max_steps": 0}])
def test_nothing_to_do_is_refused(option: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 variant and 1 step"):
        run(ScriptedModel(ANY, contrary), single_gap(ANY, 3), **option)


@pytest.mark.parametrize("bans", [None, torch.zeros(VOCABULARY)])
def test_a_mask_is_not_an_answer(bans: Tensor | None) -> None:
    with pytest.raises(ValueError, match="must ban the mask id, 19"):
        run(ScriptedModel(ANY, contrary), single_gap(ANY, 3), bans=bans)


def test_it_can_be_left_between_two_steps() -> None:
    model = ScriptedModel(ANY, random_logits(0, 0.1))
    steps: Iterator[Step] = denoise(
        lambda ids, rows, signal: model.denoise(ids, model.new_kv(), rows, signal),
        single_gap(ANY, 20),
        sampling_for(ANY),
        torch.Generator(),
        bans=bans_for(ANY),
        max_steps=8,
    )
    assert len(model.asked) == 0
    next(steps)
    assert len(model.asked) == 1


@pytest.mark.parametrize("kind", ["mask", "uniform", "causal"])
def test_tiny_models_end_to_end(kind: str, request: pytest.FixtureRequest) -> None:
    model: DenoisingModel = request.getfixturevalue(f"tiny_{kind}_model")
    generator = torch.Generator().manual_seed(0)
    canvas = build([10, 11], [5, 3], [[12, 13]], [14, 15, 16], model.spec, generator)
    kv = model.new_kv()
    with torch.inference_mode():
        model.encode(torch.arange(40), kv)
        first, again = (
            list(
                denoise(
                    lambda ids, rows, signal: model.denoise(ids, kv, rows, signal),
                    canvas,
                    sampling_for(model.spec),
                    torch.Generator().manual_seed(7),
                    variants=3,
                    bans=bans_for(model.spec),
                    max_steps=12,
                )
            )
            for _ in range(2)
        )
    assert kv.length == 40
    assert_sound(first, canvas, model.spec, 12)
    assert all(torch.equal(one.ids, two.ids) for one, two in zip(first, again, strict=True))
    for gaps in read(first[-1].ids, canvas, model.spec):
        assert all(len(gap) <= most for gap, most in zip(gaps, (5, 3), strict=True))
        assert all(token < 258 for gap in gaps for token in gap)


PIECES = [b"a", b"b", b"c", b" ", b"ab", b"bc", b"abc", b" a", b" ab", b"ca", b"aa", b"  ", b"cab"]
"""What the ids of a small vocabulary stand for; the others stand for nothing."""


def ways_on(rest: bytes) -> list[int]:
    agree = (each.startswith(rest) or rest.startswith(each) for each in PIECES)
    return [id_ for id_, agrees in enumerate(agree) if agrees]


def written(ids: Sequence[int]) -> bytes:
    return b"".join(PIECES[id_] if id_ < len(PIECES) else b"" for id_ in ids)


def healing(wanted: bytes) -> Callable[[Sequence[int]], Tensor | None]:
    def only(ids: Sequence[int]) -> Tensor | None:
        rest = wanted[len(written(ids)) :]
        return torch.tensor(ways_on(rest)) if rest else None

    return only


@settings(max_examples=100, deadline=None)
@given(
    wanted=st.text("abc ", min_size=1, max_size=6).map(str.encode),
    variants=st.integers(1, 5),
    gaps=st.sampled_from([1, 3]),
    seed=st.integers(0, 1000),
    sharpness=st.sampled_from([0.1, 3.0, 30.0]),
)
def test_the_first_gap_begins_with_what_was_taken_back(
    wanted: bytes, variants: int, gaps: int, seed: int, sharpness: float
) -> None:
    """Whatever the model says, over as many slots as it takes, in every variant and every draft."""
    model = ScriptedModel(LEFT_TO_RIGHT, random_logits(seed, sharpness))
    slots = [len(wanted) + 3, 2, 2][:gaps]
    canvas = build([1, 2], slots, [[3]] * (gaps - 1), [4, 5], LEFT_TO_RIGHT)
    steps = run(model, canvas, seed, variants=variants, heal=healing(wanted))
    first = canvas.gap == 0
    for step in steps:
        for ids, settled in zip(step.ids, step.settled, strict=True):
            text = written(ids[first & settled].tolist())
            assert text.startswith(wanted) or wanted.startswith(text)
            # What stands in the gap is all text until what was taken back is there again.
            if len(text) < len(wanted):
                assert all(id_ < len(PIECES) for id_ in ids[first & settled].tolist())
    assert all(written(ids[first].tolist()).startswith(wanted) for ids in steps[-1].ids)
    assert_sound(steps, canvas, LEFT_TO_RIGHT, int(canvas.free.sum()))


@pytest.mark.parametrize("variants", [1, 3])
def test_what_is_taken_back_counts_as_the_model_says_it(variants: int) -> None:
    """Of what may stand there the likeliest does; behind it everything may."""
    target = torch.tensor([0, 0, PIECES.index(b"c"), PIECES.index(b"bc"), 17, 17])
    model = ScriptedModel(LEFT_TO_RIGHT, certain(target))
    canvas = build([1, 2], [4], [], [], LEFT_TO_RIGHT)
    steps = run(model, canvas, variants=variants, heal=healing(b"ab"))
    for ids in steps[-1].ids.tolist():
        assert written(ids[2:4]).startswith(b"ab")
        assert ids[-1] == 17
    freely = run(ScriptedModel(LEFT_TO_RIGHT, certain(target)), canvas, variants=variants)
    assert freely[-1].ids[0].tolist() == [1, 2, *target[2:].tolist()]
