"""Small random DiffusionGemma checkpoints, written by transformers, and its model as the reference.

transformers is imported where it is used: it takes seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

VOCABULARY = 300
WINDOW = 16
LAYERS = (
    "sliding_attention",
    "sliding_attention",
    "full_attention",
    "sliding_attention",
    "full_attention",
)
"""Layer 3 slides after a full one, as in the real model; the last must be full."""


def reference(**changes: Any) -> Any:
    """A `DiffusionGemmaForBlockDiffusion`, random but always the same, float32.

    As different as possible from what an unfinished model would compute: no scale is 1, the square
    root of the width is no round number, and the two kinds of layer differ in every size.
    """
    from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion

    text: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 96,
        "intermediate_size": 64,
        "num_hidden_layers": len(LAYERS),
        "layer_types": list(LAYERS),
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "global_head_dim": 32,
        "num_global_key_value_heads": 1,
        "sliding_window": WINDOW,
        "max_position_embeddings": 1024,
        "num_experts": 8,
        "top_k_experts": 3,
        "moe_intermediate_size": 32,
    }
    vision = {
        "model_type": "gemma4_vision",
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "position_embedding_size": 64,
    }
    config = DiffusionGemmaConfig(text_config=text | changes, vision_config=vision)
    config._attn_implementation = config._experts_implementation = "eager"
    model = DiffusionGemmaForBlockDiffusion(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.dim() > 1:
            # What goes from step to step is weak, or rounding would grow from step to step.
            gain = 0.2 if "self_conditioning.down" in name else 1.0
            tensor.normal_(0.0, gain * tensor.shape[-1] ** -0.5, generator=generator)
        elif name.endswith(("q_norm.weight", "k_norm.weight")):
            # Scores are not scaled: with larger ones, attention would be so sharp that it makes
            # much of rounding.
            tensor.uniform_(0.3, 0.6, generator=generator)
        elif name.endswith(("weight", "layer_scalar", "scale")) and "embed_scale" not in name:
            tensor.uniform_(0.5, 1.5, generator=generator)
    return model


SPECIALS = ("<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>")
WORDS = ("▁", "▁▁", "\n", "\n\n", *"defrtun", "de", "def", "re", "ret", "urn", "return")
MERGES = (
    ("▁", "▁"), ("\n", "\n"), ("d", "e"), ("de", "f"), ("r", "e"), ("re", "t"), ("u", "r"),
    ("ur", "n"), ("ret", "urn"),
)  # fmt: skip
EOS_IDS = (1, 5)


def tokenizer() -> Any:
    """A `GemmaTokenizer` with a token for each byte and some words."""
    from transformers import GemmaTokenizer

    tokens = [*SPECIALS, *(f"<0x{byte:02X}>" for byte in range(256)), *WORDS, "ur"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return GemmaTokenizer(
        vocabulary, list(MERGES), mask_token=None, additional_special_tokens=["<|turn>", "<turn|>"]
    )


def write(folder: Path, model: Any | None = None) -> Path:
    """A folder as transformers leaves it, the weights in several files."""
    model = model or reference()
    model.generation_config.eos_token_id = list(EOS_IDS)
    model.save_pretrained(folder, max_shard_size="100KB")
    tokenizer().save_pretrained(folder)
    return folder


def random_ids(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, VOCABULARY, shape, generator=generator)
