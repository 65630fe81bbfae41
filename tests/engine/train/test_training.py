"""Noise, masks, forward, loss and loop, each against something slow, obvious or known."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.canvas import LATER, Canvas, clamp
from engine.canvas import noisy as noise_for
from engine.denoise import denoise
from engine.models.base import ModelSpec
from engine.models.block_llama import BlockLlama
from engine.sampler import bans_for, sampling_for
from engine.tokenizer import Tokenizer
from engine.train.batch import FIELDS, Batch, noised, sees
from engine.train.corpus import Document
from engine.train.examples import PADDING, WINDOW, build_row
from engine.train.forward import flex_attention_for, hidden_states, plain_attention
from engine.train.loop import Limit, Trainer
from engine.train.loss import loss_of
from engine.train.recipe import Recipe
from engine.train.start import with_spec
from engine.train.stream import Stream, batches

CODE = """\
def area(width, height):
    total = width * height
    return total


def volume(box):
    return area(box.width, box.height) * box.depth


for number in range(12):
    print(number, area(number, number + 1))
"""
DOCUMENTS = [Document("area.py", "python", CODE), Document("twice.py", "python", CODE * 2)]
RECIPE = Recipe(
    row_tokens=384, shortest_window=64, longest_window=160, warmup_steps=2, learning_rate=3e-3
)


@pytest.fixture
def open_tokenizer(byte_tokenizer: Tokenizer) -> Callable[[], Tokenizer]:
    return lambda: byte_tokenizer


@pytest.fixture
def batch(byte_tokenizer: Tokenizer, small_model: BlockLlama) -> Batch:
    """Canvases of both kinds."""
    return batch_of(byte_tokenizer, small_model, replace(RECIPE, from_left=0.5))


@pytest.fixture
def noisy(byte_tokenizer: Tokenizer, small_model: BlockLlama) -> Batch:
    """Canvases that are filled in any order."""
    return batch_of(byte_tokenizer, small_model, replace(RECIPE, from_left=0.0))


def batch_of(tokenizer: Tokenizer, model: BlockLlama, recipe: Recipe) -> Batch:
    rows = [
        build_row(DOCUMENTS[1], Random(seed), tokenizer, model.spec, recipe) for seed in range(2)
    ]
    return Batch.of([row for row in rows if row is not None])


def uniform(spec: ModelSpec) -> ModelSpec:
    return replace(spec, noise="uniform", mask_id=None)


# -- who sees whom ----------------------------------------------------------------------------


def test_the_mask_is_the_rule_told_token_by_token(batch: Batch) -> None:
    turn = torch.randint(3, batch.ids.shape, generator=torch.Generator().manual_seed(1))
    mask = sees(batch, turn)
    canvas, seen = batch.canvas.tolist(), batch.seen.tolist()
    assert {WINDOW, PADDING, 0, 1} <= set(canvas[0])
    for b in range(len(canvas)):
        for q in range(0, len(canvas[b]), 3):
            for k in range(len(canvas[b])):
                asks, asked = canvas[b][q], canvas[b][k]
                if asks == WINDOW:
                    expected = asked == WINDOW and k <= q
                elif asks == PADDING:
                    expected = k == q
                else:
                    expected = asked == WINDOW and k < seen[b][q]
                    if asked == asks:
                        expected = bool(turn[b, k] <= turn[b, q])
                assert bool(mask[b, q, k]) == expected


def test_flex_attention_sees_the_same(batch: Batch) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (batch.ids.shape[0], 2, batch.ids.shape[1], 16)
    queries, keys, values = (torch.randn(shape, generator=generator) for _ in range(3))
    turn = torch.randint(3, batch.ids.shape, generator=generator)
    plain = plain_attention(batch, turn)(queries, keys, values)
    flex = flex_attention_for(batch, turn, compiled=False)(queries, keys, values)
    assert torch.allclose(plain, flex, atol=1e-5)


def test_training_computes_what_the_engine_computes(batch: Batch, small_model: BlockLlama) -> None:
    """The packed forward against `encode` and `denoise`, canvas by canvas; what the packed one leaves
    out of a canvas is there, but not known yet."""
    noise = noised(batch, small_model.spec, RECIPE, torch.Generator().manual_seed(2))
    attend = plain_attention(batch, noise.turn)
    hidden = hidden_states(small_model, noise.ids, batch.position, attend)
    logits = small_model.embedding.logits(hidden)
    compared = left_out = 0
    for b in range(batch.ids.shape[0]):
        for number in range(int(batch.canvas[b].max()) + 1):
            here = (batch.canvas[b] == number).nonzero().squeeze(1)
            slots = here[batch.free[b, here]]
            kv = small_model.new_kv()
            prompt = batch.ids[b, : int(batch.seen[b, here[0]])]
            if len(prompt):
                small_model.encode(prompt, kv)
            place = batch.position[b] - len(prompt)
            canvas = torch.full((1, int(place[here].max()) + 1), small_model.spec.mask_id or 0)
            turn = torch.full_like(canvas, LATER)
            canvas[0, place[here]], turn[0, place[here]] = noise.ids[b, here], noise.turn[b, here]
            served = small_model.denoise(canvas, kv, place[slots][None], None, turn)
            assert torch.allclose(served[0], logits[b, slots - 1], atol=1e-3)
            compared += 1
            left_out += canvas.shape[1] > len(here)
    assert compared > 6
    assert left_out > 2


# -- noise ------------------------------------------------------------------------------------


def test_anchors_keep_their_ids_and_only_slots_count(noisy: Batch, small_model: BlockLlama) -> None:
    for spec in (small_model.spec, uniform(small_model.spec)):
        noise = noised(noisy, spec, RECIPE, torch.Generator().manual_seed(3))
        assert (noise.ids == noisy.ids)[~noisy.free].all()
        assert ((noise.weight > 0) == noisy.free).all()
        assert (noise.ids != noisy.ids)[noisy.free].any()


def test_uniform_noise_leaves_nothing_of_the_answer(noisy: Batch, small_model: BlockLlama) -> None:
    recipe = replace(RECIPE, all_noise=1.0)
    noise = noised(noisy, uniform(small_model.spec), recipe, torch.Generator().manual_seed(3))
    assert (noise.ids == noisy.ids)[noisy.free].float().mean() < 0.05  # by chance


def test_a_canvas_that_is_filled_in_order_shows_everything_and_every_slot_counts(
    byte_tokenizer: Tokenizer, small_model: BlockLlama
) -> None:
    batch = batch_of(byte_tokenizer, small_model, replace(RECIPE, from_left=1.0))
    recipe = replace(RECIPE, all_noise=1.0, wrong=1.0, delete_weight=0.0, visible_weight=0.0)
    noise = noised(batch, small_model.spec, recipe, torch.Generator().manual_seed(0))
    assert (batch.ids == small_model.spec.delete_id)[batch.free].any()
    assert noise.ids.equal(batch.ids)
    assert noise.turn.equal(batch.turn)
    assert noise.weight.equal(batch.free.float())


def test_weights_follow_the_recipe(noisy: Batch, small_model: BlockLlama) -> None:
    recipe = replace(RECIPE, visible_weight=0.25, delete_weight=0.5)
    noise = noised(noisy, small_model.spec, recipe, torch.Generator().manual_seed(3))
    deleted = noisy.ids == small_model.spec.delete_id
    masked = noise.ids == small_model.spec.mask_id
    assert (noise.weight[masked & ~deleted] == 1).all()
    assert (noise.weight[masked & deleted] == 0.5).all()
    shown = noisy.free & (noise.ids == noisy.ids)
    assert (noise.weight[shown & ~deleted] == 0.25).float().mean() > 0.9  # few are drawn right
    assert (noise.weight[~noisy.free] == 0).all()


def test_shares_of_noise_are_those_of_the_recipe(noisy: Batch, small_model: BlockLlama) -> None:
    spec = small_model.spec
    everything = replace(RECIPE, all_noise=1.0)
    noise = noised(noisy, spec, everything, torch.Generator().manual_seed(0))
    assert (noise.ids == spec.mask_id)[noisy.free].all()
    whole, wrong, shown = 0, 0, 0
    for seed in range(60):
        noise = noised(
            noisy, spec, replace(RECIPE, all_noise=0.5), torch.Generator().manual_seed(seed)
        )
        here = noisy.canvas[0] == 0
        masked = noise.ids == spec.mask_id
        whole += bool(masked[0][here & noisy.free[0]].all())
        visible = noisy.free & ~masked
        wrong += int((noise.ids != noisy.ids)[visible].sum())
        shown += int(visible.sum())
    assert 0.3 < whole / 60 < 0.75
    assert 0.04 < wrong / shown < RECIPE.wrong * 1.2


# -- loss -------------------------------------------------------------------------------------


def test_the_loss_is_the_weighted_surprise_counted_one_by_one(
    batch: Batch, small_model: BlockLlama
) -> None:
    recipe = replace(RECIPE, causal_share=1.0)
    noise = noised(batch, small_model.spec, recipe, torch.Generator().manual_seed(5))
    attend = plain_attention(batch, noise.turn)
    hidden = hidden_states(small_model, noise.ids, batch.position, attend)
    loss = loss_of(small_model, hidden, batch, noise, recipe)
    surprise = -small_model.embedding.logits(hidden).log_softmax(-1)
    total = weights = causal = count = 0.0
    for b in range(batch.ids.shape[0]):
        for t in range(1, batch.ids.shape[1]):
            nats = float(surprise[b, t - 1, batch.ids[b, t]])
            weight = float(noise.weight[b, t])
            total, weights = total + weight * nats, weights + weight
            if batch.canvas[b, t] == WINDOW:
                causal, count = causal + nats, count + 1
    assert math.isclose(float(loss.denoise), total / weights, rel_tol=1e-3)
    assert math.isclose(float(loss.causal), causal / count, rel_tol=1e-3)
    assert math.isclose(
        float(loss.total), total / weights + recipe.causal_weight * causal / count, rel_tol=1e-3
    )


@pytest.mark.parametrize("noise", ["mask", "uniform"])
def test_one_batch_is_learned_by_heart_and_read_back(
    noise: str, noisy: Batch, small_model: BlockLlama, open_tokenizer: Callable[[], Tokenizer]
) -> None:
    if noise == "uniform":
        with_spec(small_model, uniform(small_model.spec))
    recipe = replace(RECIPE, all_noise=0.7, causal_weight=0.0, delete_weight=1.0, decay_share=0.0)
    one = Batch(*(getattr(noisy, name)[:1] for name in FIELDS))
    trainer = Trainer(small_model, open_tokenizer, recipe)
    losses = [float(trainer.train_step(one, 3e-3).denoise) for _ in range(400)]
    assert min(losses[-20:]) < 0.05 < 1.0 < losses[0]

    model = small_model.eval().requires_grad_(False)
    here = (one.canvas[0] == 0).nonzero().squeeze(1)
    clean, free = one.ids[0, here], one.free[0, here]
    generator = torch.Generator().manual_seed(1)
    blank = Canvas(clean, free, torch.where(free, 0, -1))
    canvas = Canvas(noise_for(blank, model.spec, generator), free, blank.gap)
    kv = model.new_kv()
    model.encode(one.ids[0, : int(one.seen[0, here[0]])], kv)
    *_, last = denoise(
        lambda ids, rows, signal: model.denoise(ids, kv, rows, signal),
        canvas,
        sampling_for(model.spec),
        generator,
        bans=bans_for(model.spec),
        max_steps=48,
    )
    assert last.ids[0].tolist() == clean.tolist()
    assert clamp(last.ids, canvas).equal(last.ids)


# -- the stream and the loop ------------------------------------------------------------------


def test_a_step_gets_the_same_batch_wherever_the_stream_begins(
    small_model: BlockLlama, open_tokenizer: Callable[[], Tokenizer]
) -> None:
    stream = Stream(DOCUMENTS, open_tokenizer, small_model.spec, RECIPE)
    whole, later = batches(stream, 0, 0), batches(stream, 2, 0)
    first, _, third = next(whole), next(whole), next(whole)
    assert next(later).ids.equal(third.ids)
    assert not third.ids.equal(first.ids)


def test_workers_make_the_same_batches(
    small_model: BlockLlama, open_tokenizer: Callable[[], Tokenizer]
) -> None:
    stream = Stream(DOCUMENTS, open_tokenizer, small_model.spec, RECIPE)
    alone, together = batches(stream, 0, 0), batches(stream, 0, 2)
    for _ in range(5):
        assert next(alone).ids.equal(next(together).ids)


def state(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in trainer.model.named_parameters()}


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("muon", [False, True])
def test_a_run_that_was_stopped_equals_one_that_was_not(
    small_model: BlockLlama, open_tokenizer: Callable[[], Tokenizer], tmp_path: Path, muon: bool
) -> None:
    def trainer() -> Trainer:
        return Trainer(copy.deepcopy(small_model), open_tokenizer, replace(RECIPE, muon=muon))

    whole = trainer()
    whole.run(DOCUMENTS, Limit(steps=6))
    # the rate falls with the share of the run that is over, so the halves know the whole's length
    first = trainer()
    reports: list[Any] = []

    def after_three(report: Any) -> None:
        reports.append(report)
        if report["step"] == 3:
            first.save(tmp_path / "checkpoint")
            raise StoppedError

    with pytest.raises(StoppedError):
        first.run(DOCUMENTS, Limit(steps=6), on_report=after_three)
    second = trainer()
    second.resume(tmp_path / "checkpoint")
    assert second.step == 3
    second.run(DOCUMENTS, Limit(steps=6))
    assert second.step == whole.step == 6
    assert (second.tokens, second.positions) == (whole.tokens, whole.positions)
    for name, value in state(whole).items():
        assert value.equal(state(second)[name]), name


def test_reports_say_what_was_done(
    small_model: BlockLlama, open_tokenizer: Callable[[], Tokenizer]
) -> None:
    reports: list[Any] = []
    pauses: list[int] = []
    trainer = Trainer(small_model, open_tokenizer, RECIPE)
    trainer.run(
        DOCUMENTS,
        Limit(steps=3),
        heldout=DOCUMENTS,
        every=0.0,
        on_report=reports.append,
        on_pause=lambda: pauses.append(trainer.step),
    )
    assert [report["step"] for report in reports] == [1, 2, 3, 3]
    assert reports[1]["tokens"] == 2 * reports[0]["tokens"] == 2 * 2 * RECIPE.row_tokens
    assert all(report["dev"]["denoise"] > 0 for report in reports)
    assert reports[2]["tokens_per_second"] > 0
    assert pauses == [1, 2, 3, 3]


def test_a_run_ends_in_time(
    small_model: BlockLlama, open_tokenizer: Callable[[], Tokenizer]
) -> None:
    trainer = Trainer(small_model, open_tokenizer, RECIPE)
    trainer.run(DOCUMENTS, Limit(minutes=0.01))
    assert trainer.step >= 1
    assert trainer.seconds < 10


def test_the_rate_warms_up_and_falls_to_a_tenth() -> None:
    recipe = Recipe(learning_rate=1.0, warmup_steps=4, decay_share=0.5)
    assert [recipe.rate_at(step, 0.0) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert recipe.rate_at(9, 0.5) == 1.0
    assert recipe.rate_at(9, 0.75) == pytest.approx(0.55)
    assert recipe.rate_at(9, 1.0) == pytest.approx(0.1)
