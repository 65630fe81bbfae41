"""The model that training begins with: a causal backbone, told that it is to infill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from engine.models.base import ModelSpec
from engine.models.block_llama import BlockLlama
from engine.models.weights import load_block_llama, read_adapters, read_config
from engine.request import EngineError
from engine.tokenizer import Tokenizer
from engine.train.adapters import adapt
from engine.train.recipe import Recipe

DELETE, SEPARATOR, PATH = "<empty_output>", "<jupyter_start>", "<filename>"
"""Special tokens of the backbone that code seldom meets, given a new meaning."""


def backbone(folder: Path, device: torch.device, recipe: Recipe) -> BlockLlama:
    """The model in `folder` in float32, ready to be trained on what `recipe` puts into prompts. One
    that infills already is left as it is; EngineError where its tokenizer lacks the tokens."""
    rank = recipe.adapter_rank
    if (known := read_config(folder).spec).fim is not None:
        raise EngineError(
            f"{known.name} fills in the middle already, and is not trained here: there are no examples "
            "in its form yet, nor adapters for it. Start from a folder with another model."
        )
    model = load_block_llama(folder, device, torch.float32, adapted=rank == 0)
    if model.spec.reads_on:
        model = _to_infill(model, folder, recipe)
    if rank:
        adapt(model, rank, read_adapters(folder))
    return model


def _to_infill(model: BlockLlama, folder: Path, recipe: Recipe) -> BlockLlama:
    """A causal model under the specification of one that infills."""
    tokenizer = Tokenizer(folder / "tokenizer.json")
    delete, separator, path = map(tokenizer.id_of, (DELETE, SEPARATOR, PATH))
    if delete is None or separator is None or path is None:
        names = f"{DELETE}, {SEPARATOR} and {PATH}"
        raise EngineError(f"The tokenizer in {folder} lacks one of the tokens {names}.")
    pieces = recipe.far_suffix or recipe.snippets or recipe.paths
    spec = replace(
        model.spec,
        name=f"{model.spec.name}-infill",
        order="left_to_right" if recipe.from_left >= 0.5 else "any",
        delete_id=delete,
        separator_id=separator if pieces else None,
        suffix_in_prompt=recipe.far_suffix > 0,
        path_id=path if recipe.paths else None,
        forbidden_ids=tuple(each for each in model.spec.forbidden_ids if each != delete),
    )
    # A new meaning starts better from a related one than from noise: nothing is said, nothing follows.
    table = model.embedding.weight.data
    assert spec.mask_id is not None
    table[spec.mask_id] = table.mean(0)
    table[delete] = table[spec.eos_ids[0]]
    return with_spec(model, spec)


def with_spec(model: BlockLlama, spec: ModelSpec) -> BlockLlama:
    """The same weights under another specification."""
    model.config = replace(model.config, spec=spec)
    model.spec = spec
    return model
