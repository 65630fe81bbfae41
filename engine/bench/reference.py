"""transformers' own DiffusionGemma over the weights of ours: the same memory, no second copy.

Its modules take the tensors of a `DiffusionGemma` as they are; where ours keeps several of its
matrices one above the other, they are slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from engine.bench.limits import median_seconds
from engine.models.diffusion_gemma import DiffusionGemma, DiffusionGemmaConfig
from engine.models.gemma_weights import stored_names


def seconds_a_step(model: DiffusionGemma, prompt: Tensor, canvas: int, steps: int) -> float:
    """Of its generation, compiled on CUDA: what `steps` steps take longer than one, by the step.

    So neither the prompt nor what comes once a canvas is counted. ImportError without transformers.
    """
    other = same_weights(model, canvas)
    compiled = model.device.type == "cuda"

    def generate(count: int) -> Any:
        return other.generate(
            prompt[None],
            max_new_tokens=canvas,
            max_denoising_steps=count,
            confidence_threshold=1e-30,  # never so sure, so that it does not stop
            cache_implementation="static" if compiled else "dynamic",
            disable_compile=not compiled,
        )

    generate(2)
    many, one = (
        median_seconds(lambda count=count: generate(count), model.device, 3)  # type: ignore[misc]
        for count in (steps, 1)
    )
    return (many - one) / (steps - 1)


def same_weights(model: DiffusionGemma, canvas: int) -> Any:
    """A `DiffusionGemmaForBlockDiffusion` over the tensors of `model`, which must not be packed."""
    from transformers import DiffusionGemmaForBlockDiffusion

    with torch.device("meta"):
        other = DiffusionGemmaForBlockDiffusion(_config(model.config, canvas))
    tensors = dict(_tensors(model, {name: each.shape for name, each in other.state_dict().items()}))
    other.load_state_dict(tensors, strict=False, assign=True)
    other.tie_weights()
    other.model.encoder.vision_tower = other.model.encoder.embed_vision = None
    # What is in no state dict: computed by a model that differs in nothing that it depends on.
    small = replace(model.config, width=8, inner=8, experts=1, experts_chosen=1, expert_inner=8)
    computed = dict(DiffusionGemmaForBlockDiffusion(_config(small, canvas)).named_buffers())
    for name, module in other.named_modules():
        for inner, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_meta:
                value = computed[f"{name}.{inner}" if name else inner]
                setattr(module, inner, nn.Buffer(value.to(model.device), persistent=False))
        if hasattr(module, "scalar_embed_scale"):
            module.embed_scale.fill_(module.scalar_embed_scale)
    left = [
        name for name, each in [*other.named_parameters(), *other.named_buffers()] if each.is_meta
    ]
    if left:
        raise RuntimeError(f"transformers has tensors that ours has not: {', '.join(left[:5])}")
    other.eval()  # type: ignore[no-untyped-call]
    return other


def _tensors(model: DiffusionGemma, shapes: dict[str, torch.Size]) -> Iterator[tuple[str, Tensor]]:
    parameters = dict(model.named_parameters())
    for name, parts in stored_names(model.config).items():
        start = 0
        for part in parts:
            rows = shapes[part][0]
            yield part, parameters[name][start : start + rows]
            start += rows


def _config(config: DiffusionGemmaConfig, canvas: int) -> Any:
    from transformers import DiffusionGemmaConfig as Theirs

    kinds = {"sliding": "sliding_attention", "full": "full_attention"}
    text = {
        "vocab_size": config.spec.vocab_size,
        "eos_token_id": None,
        "pad_token_id": 0,
        "hidden_size": config.width,
        "intermediate_size": config.inner,
        "num_hidden_layers": len(config.kinds),
        "layer_types": [kinds[kind] for kind in config.kinds],
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.sliding.kv_heads,
        "head_dim": config.sliding.head_dim,
        "global_head_dim": config.full.head_dim,
        "num_global_key_value_heads": config.full.kv_heads,
        "sliding_window": config.sliding.window,
        "max_position_embeddings": config.spec.context_length,
        "num_experts": config.experts,
        "top_k_experts": config.experts_chosen,
        "moe_intermediate_size": config.expert_inner,
        "rms_norm_eps": config.norm_epsilon,
        "final_logit_softcapping": config.softcap,
        "rope_parameters": {
            "sliding_attention": {
                "rope_type": "default",
                "rope_theta": config.sliding.rotary_base,
            },
            "full_attention": {
                "rope_type": "proportional",
                "partial_rotary_factor": config.full.rotary_share,
                "rope_theta": config.full.rotary_base,
            },
        },
    }
    vision = {
        "model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8,
        "position_embedding_size": 64,
    }  # fmt: skip
    return Theirs(text_config=text, vision_config=vision, canvas_length=canvas)
