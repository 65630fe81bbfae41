"""A model small enough to train and export in a test, and the files that go with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from engine.models.base import ModelSpec
from engine.models.block_llama import BlockLlama, BlockLlamaConfig


@pytest.fixture
def small_model() -> BlockLlama:
    """Three layers of width 64, random float32 weights of a trained model's size."""
    spec = ModelSpec(
        name="small",
        noise="mask",
        order="any",
        shift=True,
        vocab_size=300,
        context_length=512,
        eos_ids=(258,),
        mask_id=256,
        delete_id=257,
        bos_id=258,
        forbidden_ids=(256,),
        licence="Apache-2.0",
    )
    config = BlockLlamaConfig(
        layers=3,
        width=64,
        heads=4,
        kv_heads=2,
        head_dim=16,
        inner=96,
        rotary_base=10_000.0,
        norm_epsilon=1e-5,
        spec=spec,
    )
    model = BlockLlama(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.normal_(0.0, parameter.shape[1] ** -0.5, generator=generator)
    return model


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Of the model that is trained: a tokenizer that nobody reads here, and a licence beside it."""
    folder = tmp_path / "backbone"
    folder.mkdir()
    (folder / "LICENSE").write_text("Do as you like.")
    (folder / "tokenizer.json").write_text(json.dumps({"model": "none"}))
    return folder
