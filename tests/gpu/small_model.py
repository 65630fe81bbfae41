"""The sizes of `gemma_checkpoint`'s model and of what the tests here ask it, for compiling ahead."""

from __future__ import annotations

from gemma_checkpoint import LAYERS, VOCABULARY, WINDOW

from engine.models.base import ModelSpec
from engine.models.diffusion_gemma import DiffusionGemmaConfig
from engine.models.gemma_layers import AttentionShape

SHAPE = DiffusionGemmaConfig(
    kinds=tuple("full" if kind == "full_attention" else "sliding" for kind in LAYERS),
    sliding=AttentionShape(2, 16, rotary_base=1e4, window=WINDOW),
    full=AttentionShape(1, 32, rotary_base=1e6, rotary_share=0.25, keys_are_values=True),
    width=96,
    heads=4,
    inner=64,
    experts=8,
    experts_chosen=3,
    expert_inner=32,
    norm_epsilon=1e-6,
    softcap=30.0,
    spec=ModelSpec("small", "uniform", "any", False, VOCABULARY, 1024, (1,)),
)
LENGTHS = (1, WINDOW, 40, 100, 900)
"""Tokens of prompt."""
VARIANTS = (1, 4)
