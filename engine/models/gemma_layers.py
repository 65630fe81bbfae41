"""Building blocks of DiffusionGemma: attention, the dense and the expert feed-forward, a layer, and
self-conditioning.

As in `layers.py` they work on token rows [Q, D] and know no cache: attention hands its queries, keys
and values to a callable. Encoder and decoder are the same weights; what differs (cache, order, the
layer's scale) is passed in. `packed.py` can stand in for `nn.Linear`, `ExpertLinear` and `Embedding`;
what computes with them is in `kernels`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models import kernels
from engine.models.forms import Matrix
from engine.models.layers import RMSNorm, turn

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Takes the rows' queries [Q, heads, head_dim], their own keys and values [Q, kv_heads, head_dim];
returns what they see [Q, heads, head_dim]."""


@dataclass(frozen=True, slots=True)
class AttentionShape:
    """What differs between the two kinds of attention layer."""

    kv_heads: int
    head_dim: int
    rotary_base: float
    rotary_share: float = 1.0
    """Of a head's pairs that turn with the position; the others carry no position."""
    window: int | None = None
    """A row sees this many keys of the prompt, its own included. None: all."""
    keys_are_values: bool = False
    """One projection makes both; they part at their norms."""

    def __post_init__(self) -> None:
        if self.head_dim % 2:
            raise ValueError(f"rotary positions need an even head_dim, not {self.head_dim}")


class PlainNorm(nn.Module):
    """Divide each row by its root mean square; no weights."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, rows: Tensor) -> Tensor:
        return functional.rms_norm(rows, rows.shape[-1:], None, self.epsilon)


class Attention(nn.Module):
    """Grouped-query attention whose queries, keys and values are normed, so scores are not scaled.

    One projection makes queries, keys and, where they are not the keys, values.
    """

    def __init__(self, width: int, heads: int, shape: AttentionShape, epsilon: float) -> None:
        super().__init__()
        self.heads, self.shape = heads, shape
        made = heads + shape.kv_heads * (1 if shape.keys_are_values else 2)
        self.qkv = nn.Linear(width, made * shape.head_dim, bias=False)
        self.output = nn.Linear(heads * shape.head_dim, width, bias=False)
        self.query_norm = RMSNorm(shape.head_dim, epsilon)
        self.key_norm = RMSNorm(shape.head_dim, epsilon)
        self.value_norm = PlainNorm(epsilon)

    def forward(self, rows: Tensor, rotary: Tensor, attend: Attend) -> Tensor:
        """[Q, D] of rows [Q, D]."""
        count, groups = rows.shape[0], self.shape.kv_heads
        made = self.qkv(rows).view(count, -1, self.shape.head_dim)
        queries, keys, values = made[:, : self.heads], made[:, self.heads :], made[:, -groups:]
        queries = turn(self.query_norm(queries), rotary)
        keys = turn(self.key_norm(keys[:, :groups]), rotary)
        mixed = attend(queries, keys, self.value_norm(values))
        joined: Tensor = self.output(mixed.reshape(count, -1))
        return joined


class GeGLU(nn.Module):
    """Gated feed-forward; one projection makes the gate and what it lets through."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        lowered: Tensor = self.down(kernels.gated(self.gate_up(rows)))
        return lowered


class Router(nn.Module):
    """Which experts read a row, and how much each of them counts."""

    def __init__(self, width: int, experts: int, chosen: int, epsilon: float) -> None:
        """chosen: experts for each row."""
        super().__init__()
        self.norm = PlainNorm(epsilon)
        self.scale = nn.Parameter(torch.ones(width))
        # Not an `nn.Linear`: it is small, and few bits would send rows to other experts.
        self.weight = nn.Parameter(torch.empty(experts, width))
        self.expert_scale = nn.Parameter(torch.ones(experts))
        self.chosen = chosen

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """For rows [Q, D] the experts' numbers [Q, chosen] and float32 weights [Q, chosen]."""
        normed = self.norm(rows) * self.scale * rows.shape[1] ** -0.5
        scores = functional.linear(normed, self.weight)
        weights, experts = scores.softmax(-1, dtype=torch.float32).topk(self.chosen)
        weights = weights / weights.sum(-1, keepdim=True)
        return experts, weights * self.expert_scale[experts]


class ExpertLinear(nn.Module):
    """One matrix [N, K] for each expert."""

    def __init__(self, experts: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, outputs, inputs))

    @property
    def matrix(self) -> Matrix:
        """As `kernels` take it."""
        return Matrix(None, self.weight)


class Experts(nn.Module):
    """Gated feed-forwards, of which each row goes through a few."""

    def __init__(self, experts: int, width: int, inner: int) -> None:
        super().__init__()
        self.gate_up = ExpertLinear(experts, width, 2 * inner)
        self.down = ExpertLinear(experts, inner, width)

    def forward(self, rows: Tensor, experts: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum [Q, D] of what the `experts` [Q, n] of each row make of it."""
        return kernels.experts(rows, experts, weights, self.gate_up.matrix, self.down.matrix)


class Layer(nn.Module):
    """Attention, then a dense feed-forward beside the experts; norms before and after each."""

    def __init__(
        self, width: int, heads: int, shape: AttentionShape, inner: int, experts: int,
        experts_chosen: int, expert_inner: int, epsilon: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.attention = Attention(width, heads, shape, epsilon)
        self.dense = GeGLU(width, inner)
        self.router = Router(width, experts, experts_chosen, epsilon)
        self.experts = Experts(experts, width, expert_inner)
        self.before_attention = RMSNorm(width, epsilon)
        self.after_attention = RMSNorm(width, epsilon)
        self.before_dense = RMSNorm(width, epsilon)
        self.after_dense = RMSNorm(width, epsilon)
        self.before_experts = RMSNorm(width, epsilon)
        self.after_experts = RMSNorm(width, epsilon)
        self.after_both = RMSNorm(width, epsilon)
        self.encoder_scale = nn.Parameter(torch.ones(1))
        self.decoder_scale = nn.Parameter(torch.ones(1))

    def forward(self, rows: Tensor, rotary: Tensor, attend: Attend, scale: Tensor) -> Tensor:
        """scale: this layer's `encoder_scale` or `decoder_scale`; the rest as in `Attention`."""
        attended = self.attention(self.before_attention(rows), rotary, attend)
        rows = rows + self.after_attention(attended)
        dense = self.after_dense(self.dense(self.before_dense(rows)))
        # The router sees the rows as they are; it has a norm of its own.
        mixed = self.after_experts(self.experts(self.before_experts(rows), *self.router(rows)))
        scaled: Tensor = (rows + self.after_both(dense + mixed)) * scale
        return scaled


class SelfConditioning(nn.Module):
    """Adds to the canvas's embedded rows what the model thought of them a step ago."""

    def __init__(self, width: int, inner: int, epsilon: float) -> None:
        super().__init__()
        self.before = RMSNorm(width, epsilon)
        self.dense = GeGLU(width, inner)
        self.after = PlainNorm(epsilon)

    def forward(self, rows: Tensor, expected: Tensor | None) -> Tensor:
        """rows, expected: [Q, D], both embedded. None: the first step, when nothing was thought."""
        if expected is not None:
            rows = rows + self.dense(self.before(expected))
        normed: Tensor = self.after(rows)
        return normed


class Embedding(nn.Module):
    """Token ids to rows; and the table itself, which makes the logits and self-conditioning's means."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocabulary, width))

    @property
    def matrix(self) -> Matrix:
        """As `kernels` take it."""
        return Matrix(None, self.weight)

    def forward(self, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self.weight)
