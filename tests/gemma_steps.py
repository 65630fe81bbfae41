"""A few steps of the loop over a small DiffusionGemma, for tests that run them in several ways."""

from __future__ import annotations

import torch
from gemma_checkpoint import VOCABULARY, random_ids

from engine.canvas import build
from engine.denoise import Predict, Step, denoise
from engine.models.base import KV
from engine.models.diffusion_gemma import DiffusionGemma
from engine.sampler import Constraint, sampling_for
from engine.static_shapes import StaticShapes

WIDTH = 23
"""Tokens of the canvas, of which 13 are free."""
FIRST, ALLOWED = 4, (20, 50, 60)
"""The first free position may become one of these only, though one of them is banned elsewhere."""


def encoded(model: DiffusionGemma, length: int, seed: int = 0) -> KV:
    """The cache of a random prompt."""
    kv = model.new_kv()
    model.encode(random_ids(length, seed=seed).to(model.device), kv)
    return kv


def steps(
    model: DiffusionGemma, kv: KV, predict: Predict | None, *, variants: int = 1
) -> list[Step]:
    """Six steps, with bans and a constraint. predict: None: by logits."""
    device = model.device
    generator = torch.Generator(device).manual_seed(1)
    canvas = build([7, 8, 9, 10], [13], [], [11] * 6, model.spec, generator)
    bans = torch.zeros(VOCABULARY, device=device)
    bans[20:40] = -torch.inf
    run = denoise(
        lambda ids, rows, signal: model.denoise(ids, kv, rows, signal),
        canvas,
        sampling_for(model.spec),
        torch.Generator(device).manual_seed(2),
        variants=variants,
        bans=bans,
        constraints=[Constraint(FIRST, torch.tensor(ALLOWED, device=device))],
        max_steps=6,
        predict=predict,
    )
    return list(run)


def on(shapes: StaticShapes, kv: KV) -> Predict:
    """The step in a fixed shape."""
    return lambda ids, rows, signal, asked: shapes.predict(ids, kv, rows, signal, asked)


def same(found: list[Step], wanted: list[Step]) -> None:
    """Fails unless both went the same way."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one.ids, other.ids)
        assert torch.equal(one.settled, other.settled)
        assert torch.equal(one.done, other.done)
        torch.testing.assert_close(one.confidence, other.confidence, atol=1e-3, rtol=0)
