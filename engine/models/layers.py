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

Remember = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes the rows' own keys and values [kv_heads, Q, head_dim]; returns all that they may see,
[kv_heads, K, head_dim]."""


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

    def __init__(self, length: int, head_dim: int, base: float) -> None:
        super().__init__()
        # On the CPU even while the model is being built on `meta`: no file holds this table.
        with torch.device("cpu"):
            powers = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
            angles = torch.outer(torch.arange(length, dtype=torch.float32), base**-powers)
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

    def __init__(self, width: int, heads: int, kv_heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * head_dim, bias=False)
        self.output = nn.Linear(heads * head_dim, width, bias=False)

    def forward(
        self, rows: Tensor, rotary: Tensor, mask: Tensor | None, remember: Remember
    ) -> Tensor:
        """rows [Q, D]; mask [Q, K] added to the scores, None: every row sees every key."""
        count = rows.shape[0]
        projected = self.qkv(rows).view(count, -1, self.head_dim)
        turned = turn(projected[:, : self.heads + self.kv_heads], rotary).transpose(0, 1)
        values = projected[:, self.heads + self.kv_heads :].transpose(0, 1)
        keys, values = remember(turned[self.heads :], values)
        mixed = functional.scaled_dot_product_attention(
            turned[: self.heads].unsqueeze(0),
            keys.unsqueeze(0),
            values.unsqueeze(0),
            attn_mask=mask,
            enable_gqa=self.heads != self.kv_heads,
        )
        joined: Tensor = self.output(mixed[0].transpose(0, 1).reshape(count, -1))
        return joined


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
        self, width: int, heads: int, kv_heads: int, head_dim: int, inner: int, epsilon: float
    ) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(width, epsilon)
        self.attention = Attention(width, heads, kv_heads, head_dim)
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
