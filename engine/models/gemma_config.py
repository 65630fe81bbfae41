"""transformers' `config.json` of a DiffusionGemma → `DiffusionGemmaConfig`.

A setting that would change what is computed, and is not built, is refused, never ignored.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.config import PROMPT_BUDGET
from engine.models.base import ModelSpec
from engine.models.diffusion_gemma import DiffusionGemmaConfig, Kind
from engine.models.gemma_layers import AttentionShape
from engine.models.shards import CURE
from engine.request import EngineError

MODEL_TYPE = "diffusion_gemma"
MAX_STEPS = 48
"""The checkpoint's own `max_denoising_steps`."""
LICENCE = "Apache-2.0"
"""Of Google's checkpoint; the file does not say."""

KINDS: dict[str, Kind] = {"sliding_attention": "sliding", "full_attention": "full"}
FIXED: dict[str, tuple[Any, ...]] = {
    "attention_bias": (False,),
    "attention_k_eq_v": (True,),
    "hidden_activation": ("gelu_pytorch_tanh",),
    "tie_word_embeddings": (True,),
    # `vision`: images are seen from both sides, text is causal.
    "use_bidirectional_attention": (None, "vision"),
}
"""Settings that have only these values here; the first also where a file leaves them out."""


def read_gemma_config(folder: Path) -> DiffusionGemmaConfig:
    """EngineError when the file is not as it should be, or asks for what is not built."""
    path = folder / "config.json"
    try:
        return _config(json.loads(path.read_text(encoding="utf-8")), _eos_ids(folder))
    except OSError as error:
        raise EngineError(f"Cannot read {path}: {error.strerror}. {CURE}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise EngineError(f"{path} is not a model's configuration ({error}). {CURE}") from error


def _config(fields: dict[str, Any], eos_ids: tuple[int, ...]) -> DiffusionGemmaConfig:
    text: dict[str, Any] = fields["text_config"]
    for name, values in FIXED.items():
        for level in (fields, text):
            if level.get(name, values[0]) not in values:
                raise ValueError(f"{name} is {level[name]!r}; only {values[0]!r} is built")
    kinds = tuple(KINDS[kind] for kind in text["layer_types"])
    rotary = text["rope_parameters"]
    _check_rotary(rotary)
    full = _full_layers(text, kinds)
    return DiffusionGemmaConfig(
        kinds=kinds,
        sliding=AttentionShape(
            kv_heads=text["num_key_value_heads"],
            head_dim=text["head_dim"],
            rotary_base=rotary["sliding_attention"]["rope_theta"],
            window=text["sliding_window"],
        ),
        full=AttentionShape(
            kv_heads=full["num_key_value_heads"],
            head_dim=full["head_dim"],
            rotary_base=rotary["full_attention"]["rope_theta"],
            rotary_share=rotary["full_attention"].get("partial_rotary_factor", 1.0),
            keys_are_values=True,
        ),
        width=text["hidden_size"],
        heads=text["num_attention_heads"],
        inner=text["intermediate_size"],
        experts=text["num_experts"],
        experts_chosen=text["top_k_experts"],
        expert_inner=text["moe_intermediate_size"],
        norm_epsilon=text["rms_norm_eps"],
        softcap=text.get("final_logit_softcapping", 30.0),
        spec=ModelSpec(
            name=MODEL_TYPE,
            noise="uniform",
            order="any",
            shift=False,
            vocab_size=text["vocab_size"],
            # Of 262,144: no prompt is longer than the budget, so no table of positions need be.
            context_length=min(text["max_position_embeddings"], PROMPT_BUDGET),
            eos_ids=eos_ids or _ids(text["eos_token_id"]),
            bos_id=text["bos_token_id"],
            suffix_in_prompt=True,
            fills_with_eos=True,
            licence=LICENCE,
            max_steps=MAX_STEPS,
        ),
    )


def _full_layers(text: dict[str, Any], kinds: tuple[Kind, ...]) -> dict[str, Any]:
    """Heads of the full layers: one entry for each layer, or in older files under names of their
    own."""
    each: dict[str, dict[str, Any]] | None = text.get("per_layer_config")
    if each is None:
        return {
            "head_dim": text["global_head_dim"],
            "num_key_value_heads": text["num_global_key_value_heads"]
            or text["num_key_value_heads"],
        }
    defaults = {name: text[name] for name in ("head_dim", "num_key_value_heads")}
    wanted = [str(index) for index, kind in enumerate(kinds) if kind == "full"]
    full = {**defaults, **each[wanted[0]]}
    if sorted(each) != sorted(wanted) or any(
        {**defaults, **entry} != full for entry in each.values()
    ):
        raise ValueError("per_layer_config says other things than how all full layers are made")
    return full


def _check_rotary(rotary: dict[str, dict[str, Any]]) -> None:
    for kind, wanted in (("sliding_attention", "default"), ("full_attention", "proportional")):
        known = {
            "rope_type",
            "rope_theta",
            *(["partial_rotary_factor"] if kind == "full_attention" else []),
        }
        if rotary[kind].get("rope_type", "default") != wanted or not known.issuperset(rotary[kind]):
            raise ValueError(f"rotary positions of {kind} are {rotary[kind]}; {wanted!r} is built")


def _eos_ids(folder: Path) -> tuple[int, ...]:
    """All ids that end a text stand only in `generation_config.json`; () where there is none."""
    path = folder / "generation_config.json"
    if not path.is_file():
        return ()
    return _ids(json.loads(path.read_text(encoding="utf-8")).get("eos_token_id"))


def _ids(value: int | list[int] | None) -> tuple[int, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(value)
