"""The denoising loop: a canvas in, a full draft after each forward out.

A generator over tensors, so whoever runs it can show a draft, stop, or measure between two steps.
Knows no text, no clock, no configuration, and of the model only a function that gives logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine import sampler
from engine.canvas import Canvas, clamp, reached
from engine.models.base import Asked
from engine.models.kernels import Prediction
from engine.sampler import (
    Constraint,
    MaskSampling,
    MaskState,
    OneLine,
    Sampling,
    UniformSampling,
    accept_in_order,
    accept_masked,
    accept_uniform,
    ban_lines,
    close_gaps,
    constrain,
    uniforms_for,
)
from engine.stopping import nothing_masked, stable_and_confident

Forward = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(canvas [B, C], rows [B, R], signal or None) → logits [B, R, V]."""
Guess = Callable[[Sequence[int], int], Sequence[int]]
"""(ids of a canvas up to a slot, how many at most) → ids that may stand there and behind."""
Heal = Callable[[Sequence[int]], Tensor | None]
"""ids of the first gap so far → the only ids that may follow, on the canvas's device; None: any."""
Predict = Callable[[Tensor, Tensor, Tensor | None, Asked], tuple[Prediction, Tensor]]
"""(canvas, rows, signal or None, how to sample) → what is said of the rows, and the next signal."""


@dataclass(frozen=True, slots=True)
class Step:
    """All variants after one forward, on the CPU."""

    index: int
    """From 0; `index + 1` forwards have been made."""
    ids: Tensor
    """[B, C]. The draft: anchors, accepted tokens, and the model's guess at slots still noise. A
    left-to-right model has no guess; `mask_id` stands there, and `canvas.read` stops at it."""
    confidence: Tensor
    """[B, C] float32. Probability of the token when it was accepted; 0 where still noise, 1 at
    anchors."""
    settled: Tensor
    """[B, C] bool. False: still noise. All true once a row is done or the steps are used up."""
    done: Tensor
    """[B] bool. The row is finished and will not change any more."""

    @property
    def forwards(self) -> int:
        """How many the draft has cost so far."""
        return self.index + 1

    def on_host(self) -> Step:
        """The same on the CPU, by one copy: the only time in a step that the device is waited for."""
        if self.ids.device.type == "cpu":
            return self
        whole = (
            self.ids,
            self.confidence.view(torch.int32).long(),
            self.settled.long(),
            self.done[:, None].expand_as(self.ids).long(),
        )
        ids, confidence, settled, done = torch.stack(whole).cpu()
        return Step(
            self.index,
            ids,
            confidence.int().view(torch.float32),
            settled.bool(),
            done[:, 0].bool(),
        )


def denoise(
    forward: Forward,
    canvas: Canvas,
    sampling: Sampling,
    generator: torch.Generator,
    *,
    variants: int = 1,
    bans: Tensor | None = None,
    constraints: Sequence[Constraint] = (),
    one_line: OneLine | None = None,
    max_steps: int,
    guess: Guess | None = None,
    heal: Heal | None = None,
    avoid: Sequence[int] = (),
    predict: Predict | None = None,
) -> Iterator[Step]:
    """Refine the canvas; one Step for each forward.

    forward: called with rows [B, R], the positions whose logits are wanted: every free one, or for
        a left-to-right model the leftmost masked one of each variant (R = 1), and those behind it
        that hold a guess. Its third argument is the last step's scaled logits [B, R, V] (uniform
        noise only, None in the first step).
    generator: on the canvas's device. The same seed gives the same steps.
    bans: [V], added to the logits; `sampler.bans_for` makes them. Under absorbing noise they are
        needed, and must ban the mask id: a mask is not an answer.
    one_line: on the canvas's device; None: line breaks are as good as any other id.
    guess: for one variant of a left-to-right model: saves forwards and changes no answer.
    heal: for a left-to-right model: what the first gap has to begin with, over as many slots as it takes.
    avoid: ids that the first slot of a left-to-right model may not become.
    predict: where the model has it, used in the place of `forward` under uniform noise.
    max_steps: most forwards. A left-to-right model makes at most as many as it has slots instead.
    Ends when every row is done or the forwards are used up, whichever comes first.
    """
    if variants < 1 or max_steps < 1:
        raise ValueError(f"needs at least 1 variant and 1 step, not {variants} and {max_steps}")
    if guess is not None and variants > 1:
        raise ValueError(f"guesses are for 1 variant, not {variants}")
    slots = canvas.slots.expand(variants, -1)  # [B, F]

    one_by_one = isinstance(sampling, MaskSampling) and sampling.order == "left_to_right"
    banned_lines = None if one_by_one else one_line

    def logits_at(ids: Tensor, rows: Tensor, signal: Tensor | None) -> Tensor:
        return constrain(forward(ids, rows, signal), rows, bans, constraints, banned_lines)

    if isinstance(sampling, MaskSampling):
        if bans is None or bans[sampling.mask_id] > -torch.inf:
            raise ValueError(f"the bans must ban the mask id, {sampling.mask_id}")
        if one_by_one:
            firsts = _not_first(logits_at, int(canvas.slots[0]), avoid) if avoid else logits_at
            return _in_order(firsts, canvas, slots, sampling, one_line, generator, guess, heal)
        return _absorbing(logits_at, canvas, slots, sampling, generator, max_steps)
    lines, banned = ban_lines(slots, sampling.vocab_size, bans, constraints, banned_lines)
    said = predict or _by_logits(logits_at)
    return _uniform(said, canvas, slots, lines, banned, sampling, generator, max_steps)


def _not_first(logits_at: Forward, slot: int, avoid: Sequence[int]) -> Forward:
    """The same without some ids at the first slot."""

    def without(ids: Tensor, rows: Tensor, signal: Tensor | None) -> Tensor:
        logits = logits_at(ids, rows, signal)
        here = rows == slot
        logits[here] = logits[here].index_fill(
            1, torch.tensor(avoid, device=rows.device), -torch.inf
        )
        return logits

    return without


def _by_logits(logits_at: Forward) -> Predict:
    """A `Predict` for a model that gives logits. Its signal is the logits, scaled."""

    def said(
        ids: Tensor, rows: Tensor, signal: Tensor | None, asked: Asked
    ) -> tuple[Prediction, Tensor]:
        scaled = logits_at(ids, rows, signal) * asked.cold
        return sampler.predict(scaled, asked.uniforms), scaled

    return said


def _in_order(
    logits_at: Forward,
    canvas: Canvas,
    slots: Tensor,
    sampling: MaskSampling,
    one_line: OneLine | None,
    generator: torch.Generator,
    guess: Guess | None,
    heal: Heal | None,
) -> Iterator[Step]:
    state, temperatures = _masked(canvas, slots, sampling)
    start = int(slots[0, 0])
    for index in range(slots.shape[1]):
        rows = _leftmost_masked(state.settled, slots)
        ids = state.ids
        only: list[Tensor | None] = []
        if heal is not None:
            only = [heal(line[start:at].tolist()) for line, at in zip(ids, rows[:, 0], strict=True)]
            if all(each is None for each in only):
                heal, only = None, []
        if guess is not None and not only:
            guessed = _guessed(guess, state, int(rows), canvas)
            if guessed:
                rows = rows + torch.arange(len(guessed) + 1, device=rows.device)
                ids = ids.scatter(1, rows[:, :-1], ids.new_tensor([guessed]))
        logits = sampler.allow_only(logits_at(ids, rows, None), only)
        shown = ids.gather(1, rows)
        state = accept_in_order(state, logits, rows, shown, temperatures, generator)
        if sampling.end_ids:
            ends = torch.isin(state.ids, state.ids.new_tensor(sampling.end_ids))
            if one_line is not None:
                ends[:, one_line.slots] |= torch.isin(
                    state.ids[:, one_line.slots], one_line.newline_ids
                )
            state = close_gaps(state, reached(ends, canvas), sampling.end_ids[0])
        step = _step_of(index, state, state.ids)
        yield step
        if step.done.all():
            return


def _guessed(guess: Guess, state: MaskState, slot: int, canvas: Canvas) -> Sequence[int]:
    """Guesses for the slots from `slot` on, one at least left masked: what tells the gap that is being
    filled from those that are (`canvas.turns`)."""
    room = (canvas.gap[slot:] == canvas.gap[slot]).int().cumprod(0).sum()
    return guess(state.ids[0, :slot].tolist(), int(room) - 1)


def _absorbing(
    logits_at: Forward,
    canvas: Canvas,
    slots: Tensor,
    sampling: MaskSampling,
    generator: torch.Generator,
    max_steps: int,
) -> Iterator[Step]:
    state, temperatures = _masked(canvas, slots, sampling)
    for index in range(max_steps):
        logits = logits_at(state.ids, slots, None)
        state, guess = accept_masked(
            state, logits, slots, sampling, temperatures, max_steps - index, generator
        )
        accepted = state.settled.gather(1, slots)
        draft = torch.where(accepted, state.ids.gather(1, slots), guess)
        step = _step_of(index, state, state.ids.scatter(1, slots, draft))
        yield step
        if step.done.all():
            return


def _masked(canvas: Canvas, slots: Tensor, sampling: MaskSampling) -> tuple[MaskState, list[float]]:
    """Where absorbing noise starts, and each variant's temperature: the first one is greedy."""
    variants = slots.shape[0]
    anchored = (~canvas.free).repeat(variants, 1)
    state = MaskState(
        canvas.ids.repeat(variants, 1), anchored, anchored.float(), torch.zeros_like(anchored)
    )
    return state, [0.0] + [sampling.temperature] * (variants - 1)


def _step_of(index: int, state: MaskState, ids: Tensor) -> Step:
    done = nothing_masked(state.settled)
    return Step(index, ids, state.confidence, state.settled, done).on_host()


def _uniform(
    said: Predict,
    canvas: Canvas,
    slots: Tensor,
    lines: Tensor,
    banned: Tensor,
    sampling: UniformSampling,
    generator: torch.Generator,
    max_steps: int,
) -> Iterator[Step]:
    variants = slots.shape[0]
    # The first variant starts from the canvas's own noise, each other from its own.
    noise = torch.randint(
        sampling.vocab_size, (variants, canvas.size), generator=generator, device=slots.device
    )
    noise[0] = canvas.ids
    ids = clamp(noise, canvas)
    heat = [sampling.temperature(index, max_steps) for index in range(max_steps)]
    cold = torch.split(torch.tensor(heat, device=slots.device).reciprocal(), 1)
    signal = previous = last = None
    for index in range(max_steps):
        asked = Asked(cold[index], lines, banned, uniforms_for(slots, generator))
        prediction, signal = said(ids, slots, signal, asked)
        sample = accept_uniform(prediction, sampling, generator)
        stable = stable_and_confident(sample.guess, previous, sample.entropy, sampling.stop_entropy)
        settled = sample.accepted | stable[:, None] | (index == max_steps - 1)
        step = Step(
            index,
            ids.scatter(1, slots, sample.guess),
            torch.ones_like(ids, dtype=torch.float32).scatter(
                1, slots, sample.confidence * settled
            ),
            torch.ones_like(ids, dtype=torch.bool).scatter(1, slots, settled),
            stable,
        )
        last = step if last is None else _freeze(last, step)
        shown = last.on_host()
        yield shown
        if shown.done.all():
            return
        previous, ids = sample.guess, ids.scatter(1, slots, sample.ids)


def _leftmost_masked(settled: Tensor, slots: Tensor) -> Tensor:
    """[B, 1]: each row's first masked position; its last slot where none is left."""
    first = (~settled).int().argmax(1, keepdim=True)
    return torch.where(settled.all(1, keepdim=True), slots[:, -1:], first)


def _freeze(last: Step, step: Step) -> Step:
    """`step`, with the rows that were done before it as they were."""
    done = last.done[:, None]
    return Step(
        step.index,
        torch.where(done, last.ids, step.ids),
        torch.where(done, last.confidence, step.confidence),
        torch.where(done, last.settled, step.settled),
        last.done | step.done,
    )
