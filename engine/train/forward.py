"""A model's hidden states for whole rows at once, with gradients.

The same weights and the same arithmetic as `BlockLlama.encode` and `.denoise`, which write caches in
place; a test holds the two together. Shapes: B rows, T tokens, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from engine.models.block_llama import BlockLlama
from engine.models.layers import Attention, Layer, turn
from engine.train.batch import Batch, may_see, sees

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries [B, H, T, head_dim], keys and values of as many heads → mixed values of that shape."""


def hidden_states(model: BlockLlama, ids: Tensor, position: Tensor, attend: Attend) -> Tensor:
    """[B, T, D] after the last norm. ids, position: [B, T]."""
    hidden: Tensor = model.embedding(ids)
    rotary = model.rotary.at(position.flatten(), hidden.dtype)
    for layer in model.layers:
        assert isinstance(layer, Layer)
        hidden = hidden + attention(layer.attention, layer.attention_norm(hidden), rotary, attend)
        hidden = hidden + layer.feed_forward(layer.feed_forward_norm(hidden))
    normed: Tensor = model.norm(hidden)
    return normed


def attention(module: Attention, rows: Tensor, rotary: Tensor, attend: Attend) -> Tensor:
    """`Attention.forward` for rows [B, T, D] and no cache."""
    count, tokens, _ = rows.shape
    projected = module.qkv(rows).view(count * tokens, -1, module.head_dim)
    split = (module.heads, module.kv_heads, module.kv_heads)
    queries, keys, values = projected.split(split, 1)
    rotary = rotary.to(projected.dtype)

    def by_head(heads: Tensor) -> Tensor:
        heads = heads.view(count, tokens, -1, module.head_dim).transpose(1, 2)
        return heads.repeat_interleave(module.heads // heads.shape[1], 1)

    mixed = attend(by_head(turn(queries, rotary)), by_head(turn(keys, rotary)), by_head(values))
    joined: Tensor = module.output(mixed.transpose(1, 2).reshape(count, tokens, -1))
    return joined


def plain_attention(batch: Batch, turn: Tensor) -> Attend:
    """With a mask of all pairs, written out: on a CPU twice as fast, there and back, as
    `scaled_dot_product_attention` for rows of a few hundred tokens."""
    seen = sees(batch, turn)[:, None]
    bias = torch.zeros(seen.shape, device=seen.device).masked_fill_(~seen, -torch.inf)

    def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-1, -2)
        mixed: Tensor = (scores + bias.to(scores.dtype)).softmax(-1, dtype=scores.dtype) @ values
        return mixed

    return attend


def flex_attention_for(batch: Batch, turn: Tensor, compiled: bool) -> Attend:
    """FlexAttention, which skips blocks that nobody sees: for CUDA, where it is compiled."""

    def mask(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return may_see(
            batch.canvas[b, q], batch.seen[b, q], turn[b, q], q,
            batch.canvas[b, k], turn[b, k], k,
        )  # fmt: skip

    rows, tokens = batch.ids.shape
    block_mask = create_block_mask(mask, rows, None, tokens, tokens, batch.ids.device.type)
    attend: Any = torch.compile(flex_attention) if compiled else flex_attention
    return partial(attend, block_mask=block_mask)
