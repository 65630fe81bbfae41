"""transformers over our tensors computes what we compute, in our memory."""

from __future__ import annotations

import pytest
import torch

from engine.bench.random_weights import random_model
from engine.bench.reference import same_weights, seconds_a_step
from engine.bench.shapes import TINY
from engine.models.diffusion_gemma import DiffusionGemma

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model() -> DiffusionGemma:
    torch.manual_seed(0)
    return random_model(TINY, None, CPU, torch.float32)


def test_the_same_logits_from_the_same_memory(model: DiffusionGemma) -> None:
    other = same_weights(model, 16)
    prompt, canvas = torch.randint(512, (50,)), torch.randint(512, (1, 16))
    kv = model.new_kv()
    model.encode(prompt, kv)
    cache = other.model.encoder(input_ids=prompt[None]).past_key_values
    wanted = other(past_key_values=cache, decoder_input_ids=canvas).logits
    found = model.denoise(canvas, kv, torch.arange(16)[None])
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    ours = {each.untyped_storage().data_ptr() for each in model.parameters()}
    assert all(each.untyped_storage().data_ptr() in ours for each in other.parameters())


def test_its_generation_makes_all_steps(model: DiffusionGemma) -> None:
    assert 0 < seconds_a_step(model, torch.randint(512, (20,)), 16, 4) < 5
