"""Accept and renoise: one pure function for each kind of noise.

Logits in, canvas out; what a step must know of the last one is passed in and returned. Only the
positions that were asked for can change, so anchors are never seen. Knows no model, no loop and no
text. Shapes: B variants, C canvas positions, R asked positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.models import kernels
from engine.models.base import ModelSpec, Order
from engine.models.kernels import Prediction, plain


@dataclass(frozen=True, slots=True)
class MaskSampling:
    """How a model with absorbing noise is sampled."""

    mask_id: int
    order: Order = "any"
    end_ids: tuple[int, ...] = ()
    """Where one is accepted in left-to-right order, its gap is closed without further forwards."""
    temperature: float = 0.7
    """Of the variants after the first; the first is greedy."""
    threshold: float = 0.9
    """A masked slot is accepted when its token has at least this probability."""
    remask_below: float = 0.1
    """An accepted token whose fresh probability is less is masked again, once. 0: never."""
    left_bias: float = 0.0
    """Taken from the confidence for each slot further right when the most confident are chosen.
    0: no preference. The threshold is not touched by it."""


@dataclass(frozen=True, slots=True)
class UniformSampling:
    """How a model with uniform noise is sampled. The defaults are DiffusionGemma's own.

    Every variant follows the same temperatures, the first too: renoising needs samples.
    """

    vocab_size: int
    hottest: float = 0.8
    """Temperature of the first step; falls linearly from there."""
    coldest: float = 0.4
    """Never reached: the last of N steps is one N-th above it."""
    entropy_bound: float = 0.1
    """Nats. Positions are accepted, surest first, while the entropy before them is at most this."""
    stop_entropy: float = 0.005
    """Nats. Mean over the free positions below which a guess that no longer changes is done."""

    def temperature(self, index: int, steps: int) -> float:
        """Of step `index`, counted from 0, of `steps`."""
        return self.coldest + (self.hottest - self.coldest) * (steps - index) / steps


Sampling = MaskSampling | UniformSampling


@dataclass(frozen=True, slots=True)
class Constraint:
    """One canvas position may only become one of these ids. Stronger than a ban."""

    position: int
    ids: Tensor
    """[n] int64, n >= 1."""

    def __post_init__(self) -> None:
        if self.ids.numel() == 0:
            raise ValueError(f"the constraint on canvas position {self.position} allows no id")


@dataclass(frozen=True, slots=True)
class OneLine:
    """Slots of gaps that may hold no line break: none is sampled there, or, in left-to-right order,
    where a line break is how a line ends, it closes its gap."""

    slots: Tensor
    """[n] int64, canvas positions."""
    newline_ids: Tensor
    """[m] int64."""


def sampling_for(spec: ModelSpec) -> Sampling:
    """The defaults for a model."""
    if spec.noise == "uniform":
        return UniformSampling(spec.vocab_size)
    assert spec.mask_id is not None  # ModelSpec holds that
    delete = () if spec.delete_id is None else (spec.delete_id,)
    return MaskSampling(spec.mask_id, spec.order, (*delete, *spec.eos_ids))


def bans_for(spec: ModelSpec, more: Sequence[int] = ()) -> Tensor:
    """[V] float32 to add to logits: -inf at ids that are never sampled, and at `more`."""
    never = [*spec.forbidden_ids, *more]
    if spec.mask_id is not None:
        never.append(spec.mask_id)
    bans = torch.zeros(spec.vocab_size)
    bans[never] = -torch.inf
    return bans


def constrain(
    logits: Tensor,
    rows: Tensor,
    bans: Tensor | None,
    constraints: Sequence[Constraint],
    one_line: OneLine | None = None,
) -> Tensor:
    """Logits [B, R, V] of the positions `rows` [B, R], with bans [V] and constraints applied."""
    allowed = logits.clone() if bans is None else logits + bans
    if one_line is not None:
        here = torch.isin(rows, one_line.slots)
        allowed[here] = allowed[here].index_fill(1, one_line.newline_ids, -torch.inf)
    for constraint in constraints:
        here = rows == constraint.position
        ids = constraint.ids.to(logits.device)
        given = logits[here]  # [n, V]
        allowed[here] = torch.full_like(given, -torch.inf).index_copy(1, ids, given[:, ids])
    return allowed


def allow_only(logits: Tensor, only: Sequence[Tensor | None]) -> Tensor:
    """Logits [B, 1, V] with all but some ids [n] impossible, for each variant; None: none is."""
    for variant, ids in enumerate(only):
        if ids is not None:
            line = logits[variant]
            logits[variant] = torch.full_like(line, -torch.inf).index_copy(1, ids, line[:, ids])
    return logits


def ban_lines(
    rows: Tensor,
    vocabulary: int,
    bans: Tensor | None,
    constraints: Sequence[Constraint],
    one_line: OneLine | None = None,
) -> tuple[Tensor, Tensor]:
    """What `constrain` adds up, as `models.base.Asked` has it: lines [n, V], and for each of the
    positions `rows` [B, R] which of them."""
    lines = [torch.zeros(vocabulary, device=rows.device) if bans is None else bans]
    banned = torch.zeros_like(rows)
    if one_line is not None:
        lines.append(lines[0].index_fill(0, one_line.newline_ids, -torch.inf))
        banned.masked_fill_(torch.isin(rows, one_line.slots), 1)
    for constraint in constraints:
        nothing = torch.full_like(lines[0], -torch.inf)
        banned.masked_fill_(rows == constraint.position, len(lines))
        lines.append(nothing.index_fill(0, constraint.ids.to(rows.device), 0.0))
    return torch.stack(lines), banned


def draw(probability: Tensor, generator: torch.Generator) -> Tensor:
    """One id for each position: [B, R] int64 from [B, R, V]. See `kernels.plain.draw`."""
    return plain.draw(probability, uniforms_for(probability[..., 0], generator))


def uniforms_for(positions: Tensor, generator: torch.Generator) -> Tensor:
    """A random number from 0 to 1 for each of `positions`; float32 unless those are other floats."""
    dtype = positions.dtype if positions.is_floating_point() else torch.float32
    return torch.rand(positions.shape, generator=generator, dtype=dtype, device=positions.device)


@dataclass(frozen=True, slots=True)
class MaskState:
    """A canvas under absorbing noise, between two steps. Each [B, C]."""

    ids: Tensor
    """`mask_id` where not settled."""
    settled: Tensor
    """bool. True at anchors."""
    confidence: Tensor
    """Probability at which the token was accepted; 0 where masked, 1 at anchors."""
    corrected: Tensor
    """bool. Has been masked again; it gets no third chance, so two tokens cannot take turns."""


def accept_masked(
    state: MaskState,
    logits: Tensor,
    rows: Tensor,
    sampling: MaskSampling,
    temperatures: Sequence[float],
    steps_left: int,
    generator: torch.Generator,
) -> tuple[MaskState, Tensor]:
    """Absorbing noise: accept what is sure, mask again what has become doubtful.

    logits: [B, R, V] of the positions `rows` [B, R], each position at most once in a row.
    temperatures: of each variant; 0 takes the most probable id.
    steps_left: this one included. Accepts at least one in `steps_left` of the masked slots, the
        most confident; so the last step accepts all of them and every row comes to its end.
    Masks again at most half of a row's accepted slots, not in the last step, and none in a row
    that had nothing masked: it is finished.
    Returns the new state, and the most probable ids [B, R], masked or not.
    """
    ids, settled, corrected = (
        each.gather(1, rows) for each in (state.ids, state.settled, state.corrected)
    )
    masked = ~settled
    partition = logits.logsumexp(-1)  # [B, R]
    guess = logits.argmax(-1)
    token = _chosen(logits, guess, temperatures, generator)
    confidence = _probability(logits, token, partition)

    quota = (masked.sum(1, keepdim=True) + steps_left - 1) // steps_left
    slot = torch.arange(rows.shape[1], device=rows.device)
    rank = _rank(-confidence + sampling.left_bias * slot, masked)
    accept = masked & ((confidence >= sampling.threshold) | (rank < quota))

    again = torch.zeros_like(masked)
    if steps_left > 1:
        fresh = _probability(logits, ids, partition)
        unfinished = masked.any(1, keepdim=True)
        doubtful = settled & ~corrected & unfinished & (fresh < sampling.remask_below)
        half = settled.sum(1, keepdim=True) // 2
        again = doubtful & (_rank(fresh, doubtful) < half)

    now = (settled | accept) & ~again
    held = state.confidence.gather(1, rows)
    changed = MaskState(
        ids=torch.where(accept, token, ids).masked_fill(again, sampling.mask_id),
        settled=now,
        confidence=torch.where(accept, confidence, held).masked_fill(again, 0.0),
        corrected=corrected | again,
    )
    return _put(state, rows, changed), guess


def accept_in_order(
    state: MaskState,
    logits: Tensor,
    rows: Tensor,
    shown: Tensor,
    temperatures: Sequence[float],
    generator: torch.Generator,
) -> MaskState:
    """Absorbing noise, filled from left to right: accept the first masked slot, and those behind it
    as long as the slots before them were shown as what they became.

    logits: [B, R, V] of the positions `rows` [B, R], which follow one another.
    shown: [B, R], what the model saw there: a guess, or the mask id.
    """
    masked = ~state.settled.gather(1, rows)
    token = _chosen(logits, logits.argmax(-1), temperatures, generator)
    confidence = _probability(logits, token, logits.logsumexp(-1))
    guessed = (token == shown).cumprod(1).roll(1, 1).bool()
    guessed[:, 0] = True  # nothing stands before the first one
    accept = masked & guessed
    changed = MaskState(
        ids=torch.where(accept, token, state.ids.gather(1, rows)),
        settled=~masked | accept,
        confidence=torch.where(accept, confidence, state.confidence.gather(1, rows)),
        corrected=state.corrected.gather(1, rows),
    )
    return _put(state, rows, changed)


def close_gaps(state: MaskState, ended: Tensor, end_id: int) -> MaskState:
    """Settle the masked slots of `ended` [B, C] as `end_id`: nothing is to follow there."""
    close = ended & ~state.settled
    return replace(
        state,
        ids=state.ids.masked_fill(close, end_id),
        settled=state.settled | close,
        confidence=state.confidence.masked_fill(close, 1.0),
    )


@dataclass(frozen=True, slots=True)
class UniformSample:
    """What one step made of the asked positions. Each [B, R]."""

    ids: Tensor
    """The next canvas: accepted samples, and fresh noise everywhere else."""
    guess: Tensor
    """The most probable ids. These, not the samples, are the draft."""
    accepted: Tensor
    """bool. Holds for this step only: an accepted position may be renoised in the next."""
    confidence: Tensor
    """Probability of the guess, at the step's temperature."""
    entropy: Tensor
    """Nats, at the step's temperature."""


def predict(logits: Tensor, uniforms: Tensor) -> Prediction:
    """Each field [B, R], of logits [B, R, V] that were divided by the step's temperature."""
    probability = logits.softmax(-1)
    confidence, guess = probability.max(-1)
    entropy = torch.special.entr(probability).sum(-1)
    return Prediction(guess, confidence, entropy, plain.draw(probability, uniforms))


def accept_uniform(
    said: Prediction, sampling: UniformSampling, generator: torch.Generator
) -> UniformSample:
    """Uniform noise: accept the surest positions of each row, renoise all others.

    said: each [B, R]; R holds every free position and no anchor, whose zero entropy would be
        accepted for free but says nothing.
    The noise is uniform over the whole vocabulary, banned ids too, as the model saw it in training.
    """
    noise = torch.randint(
        sampling.vocab_size, said.token.shape, generator=generator, device=said.token.device
    )
    ids, accepted = kernels.accept(said.entropy, said.token, noise, sampling.entropy_bound)
    return UniformSample(ids, said.guess, accepted, said.confidence, said.entropy)


def sample_uniform(
    logits: Tensor, sampling: UniformSampling, generator: torch.Generator
) -> UniformSample:
    """`predict`, then `accept_uniform`."""
    uniforms = uniforms_for(logits[..., 0], generator)
    return accept_uniform(predict(logits, uniforms), sampling, generator)


def _chosen(
    logits: Tensor, guess: Tensor, temperatures: Sequence[float], generator: torch.Generator
) -> Tensor:
    """[B, R]: the guess in greedy rows, a sample of logits [B, R, V] in the others."""
    warm = [row for row, temperature in enumerate(temperatures) if temperature > 0]
    if not warm:
        return guess
    heat = logits.new_tensor([temperatures[row] for row in warm])
    sampled = draw((logits[warm] / heat[:, None, None]).softmax(-1), generator)
    return guess.index_copy(0, torch.tensor(warm, device=guess.device), sampled)


def _probability(logits: Tensor, ids: Tensor, partition: Tensor) -> Tensor:
    """[B, R]: softmax of logits [B, R, V] at ids [B, R], without the whole softmax."""
    return (logits.gather(2, ids[:, :, None]).squeeze(2) - partition).exp()


def _rank(score: Tensor, among: Tensor) -> Tensor:
    """[B, R]: 0 for the lowest score of those in `among`; the leftmost of equals first."""
    return score.masked_fill(~among, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)


def _put(state: MaskState, rows: Tensor, changed: MaskState) -> MaskState:
    return MaskState(
        state.ids.scatter(1, rows, changed.ids),
        state.settled.scatter(1, rows, changed.settled),
        state.confidence.scatter(1, rows, changed.confidence),
        state.corrected.scatter(1, rows, changed.corrected),
    )
