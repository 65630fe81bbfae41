"""Who changes which weights, and how."""

from __future__ import annotations

from torch.optim import AdamW, Muon, Optimizer

from engine.models.block_llama import BlockLlama
from engine.train.recipe import Recipe


def optimizers_for(model: BlockLlama, recipe: Recipe) -> list[Optimizer]:
    """Every parameter in exactly one of them. Their rates are set before each step."""
    inner = [each for each in model.layers.parameters() if each.dim() > 1] if recipe.muon else []
    others = {id(each) for each in inner}
    rest = [each for each in model.parameters() if id(each) not in others]
    adamw = AdamW(
        [
            {
                "params": [each for each in rest if each.dim() > 1],
                "weight_decay": recipe.weight_decay,
            },
            {"params": [each for each in rest if each.dim() <= 1], "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=recipe.momentum,
        fused=True,
    )
    if not inner:
        return [adamw]
    # Updates as large as AdamW's, so that one rate suits both.
    muon = Muon(
        inner,
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [adamw, muon]
