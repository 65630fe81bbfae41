"""Building blocks of Llama-type transformers: norm, rotary positions, attention, feed-forward.

They work on token rows [Q, D] without a batch dimension: several texts in one pass are rows of one
sequence that a mask keeps apart. They know no cache; attention hands its new keys and values to a
callable and uses what comes back.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Remember = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, int]]
"""Takes the rows' own keys and values [kv_heads, Q, head_dim]; returns all that they may see: keys
[kv_heads, head_dim, room], values [kv_heads, room, head_dim], and how many of the first of them."""

SCORES_AT_ONCE = 2**18
"""On a CPU: scores of one head in one product, so that they stay in the cache on the way to the
next. Measured: 1.8 times faster than one product with 256 rows and 4,000 keys."""
KEY_BLOCK, KEY_STEP = 1024, 256
"""On a CPU keys are multiplied in blocks of this many, the last one rounded up to a multiple of the
step: for each new shape of a bfloat16 product oneDNN makes and keeps a kernel of nearly a megabyte,
and without rounding a prompt that grows by a token meets a new shape with every token."""


class RMSNorm(nn.Module):
    """Divide each row by its root mean square, then scale each column."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, rows: Tensor) -> Tensor:
        return functional.rms_norm(rows, self.weight.shape, self.weight, self.epsilon)


class Rotary(nn.Module):
    """Rotary positions, the two halves of a head paired (not neighbours).

    A table of cosines and sines for all positions, float32 [2, length, head_dim].
    """

    table: Tensor

    def __init__(self, length: int, head_dim: int, base: float, turning: int | None = None) -> None:
        """turning: so many pairs, the quickest, turn, and the others stand still. None: all turn."""
        super().__init__()
        # On the CPU even while the model is being built on `meta`: no file holds this table.
        with torch.device("cpu"):
            powers = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
            speeds = base**-powers
            if turning is not None:
                speeds[turning:] = 0.0
            angles = torch.outer(torch.arange(length, dtype=torch.float32), speeds)
            cosine, sine = angles.cos(), angles.sin()
            # The first half's sign is in the table, so that turning needs no negation.
            table = torch.stack((torch.cat((cosine, cosine), -1), torch.cat((-sine, sine), -1)))
        self.register_buffer("table", table, persistent=False)

    def at(self, positions: Tensor, dtype: torch.dtype) -> Tensor:
        """[2, Q, 1, head_dim] for `positions` [Q]: what `turn` takes for rows of several heads."""
        return self.table[:, positions].to(dtype).unsqueeze(2)


def turn(heads: Tensor, rotary: Tensor) -> Tensor:
    """Rotate `heads` [Q, H, head_dim] by `Rotary.at` of their positions."""
    swapped = heads.roll(heads.shape[-1] // 2, -1)
    return torch.addcmul(heads * rotary[0], swapped, rotary[1])


class Attention(nn.Module):
    """Grouped-query attention; one projection makes queries, keys and values."""

    def __init__(
        self, width: int, heads: int, kv_heads: int, head_dim: int, qkv_bias: bool
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * head_dim, bias=qkv_bias)
        self.output = nn.Linear(heads * head_dim, width, bias=False)

    def forward(
        self, rows: Tensor, rotary: Tensor, mask: Tensor | None, remember: Remember
    ) -> Tensor:
        """rows [Q, D]; mask [Q, <= K] is added to the scores of the last keys, the others are seen
        by every row."""
        count = rows.shape[0]
        projected = self.qkv(rows).view(count, -1, self.head_dim)
        turned = turn(projected[:, : self.heads + self.kv_heads], rotary).transpose(0, 1)
        values = projected[:, self.heads + self.kv_heads :].transpose(0, 1)
        keys, values, seen = remember(turned[self.heads :], values)
        mixed = attend(turned[: self.heads].to(keys.dtype), keys, values, seen, mask)
        joined: Tensor = self.output(mixed.transpose(0, 1).reshape(count, -1).to(rows.dtype))
        return joined


def attend(queries: Tensor, keys: Tensor, values: Tensor, seen: int, mask: Tensor | None) -> Tensor:
    """Softmax attention [H, Q, head_dim] of `queries` [H, Q, head_dim]; the rest as in `Remember`
    and `Attention.forward`.

    Written out because with keys stored as columns plain products are up to 1.8 times faster on a
    CPU in bfloat16 than `scaled_dot_product_attention`, which in turn is 8 times slower there for a
    single row with grouped queries.
    """
    groups, width, _ = keys.shape
    block, blocks = queries.shape[1], [(0, seen)]
    if queries.device.type == "cpu":
        block = max(16, 1 << (SCORES_AT_ONCE // seen).bit_length() - 1)
        blocks = key_blocks(seen)
    end = blocks[-1][1]
    mixed = []
    for start in range(0, queries.shape[1], block):
        part = queries[:, start : start + block] * width**-0.5
        rows = part.reshape(groups, -1, width)  # heads that share keys become rows of one product
        scores = joined([torch.bmm(rows, keys[:, :, a:b]) for a, b in blocks], 2)
        if end > seen:
            scores[:, :, seen:] = -torch.inf
        if mask is not None:
            by_head = scores.view(*part.shape[:2], end)
            by_head[:, :, seen - mask.shape[1] : seen] += mask[start : start + block]
        shares = scores.softmax(-1)
        parts = [torch.bmm(shares[:, :, a:b], values[:, a:b]) for a, b in blocks]
        mixed.append(sum(parts[1:], start=parts[0]).view(part.shape))
    return joined(mixed, 1)


def key_blocks(seen: int) -> list[tuple[int, int]]:
    """[start, end) of blocks that hold the first `seen` keys, and some behind them."""
    end = -(-seen // KEY_STEP) * KEY_STEP
    return [(start, min(start + KEY_BLOCK, end)) for start in range(0, end, KEY_BLOCK)]


def joined(parts: list[Tensor], dimension: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dimension)


class SwiGLU(nn.Module):
    """Gated feed-forward; one projection makes the gate and what it lets through."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        gate, up = self.gate_up(rows).chunk(2, -1)
        lowered: Tensor = self.down(functional.silu(gate) * up)
        return lowered


class Layer(nn.Module):
    """Attention and feed-forward, each after a norm and added to what came in."""

    def __init__(
        self, width: int, heads: int, kv_heads: int, head_dim: int, inner: int, epsilon: float,
        qkv_bias: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.attention_norm = RMSNorm(width, epsilon)
        self.attention = Attention(width, heads, kv_heads, head_dim, qkv_bias)
        self.feed_forward_norm = RMSNorm(width, epsilon)
        self.feed_forward = SwiGLU(width, inner)

    def forward(
        self, rows: Tensor, rotary: Tensor, mask: Tensor | None, remember: Remember
    ) -> Tensor:
        rows = rows + self.attention(self.attention_norm(rows), rotary, mask, remember)
        fed: Tensor = rows + self.feed_forward(self.feed_forward_norm(rows))
        return fed


class TiedEmbedding(nn.Module):
    """One table [V, D]: ids to rows on the way in, rows to logits on the way out."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocabulary, width))

    def forward(self, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self.weight)

    def logits(self, rows: Tensor) -> Tensor:
        """float32 [Q, V]."""
        return functional.linear(rows, self.weight).float()
