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
from engine.models.layers import RMSNorm

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
        self.heads, self.shape, self.epsilon = heads, shape, epsilon
        made = heads + shape.kv_heads * (1 if shape.keys_are_values else 2)
        self.qkv = nn.Linear(width, made * shape.head_dim, bias=False)
        self.output = nn.Linear(heads * shape.head_dim, width, bias=False)
        self.query_norm = RMSNorm(shape.head_dim, epsilon)
        self.key_norm = RMSNorm(shape.head_dim, epsilon)

    def forward(self, rows: Tensor, rotary: Tensor, attend: Attend) -> Tensor:
        """[Q, D] of rows [Q, D]."""
        made = self.qkv(rows).view(len(rows), -1, self.shape.head_dim)
        queries, keys, values = kernels.heads(
            made, self.heads, self.shape.kv_heads, self.query_norm.weight, self.key_norm.weight,
            rotary, self.epsilon,
        )  # fmt: skip
        joined: Tensor = self.output(attend(queries, keys, values).reshape(len(rows), -1))
        return joined


class Linear(nn.Linear):
    """One that shows its matrix, as `kernels` take it."""

    @property
    def matrix(self) -> Matrix:
        return Matrix(None, self.weight)


class GeGLU(nn.Module):
    """Gated feed-forward; one projection makes the gate and what it lets through."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_up = Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        lowered: Tensor = self.down(kernels.gated_product(rows, self.gate_up.matrix))
        return lowered


class Router(nn.Module):
    """Which experts read a row, and how much each of them counts."""

    def __init__(self, width: int, experts: int, chosen: int, epsilon: float) -> None:
        """chosen: experts for each row."""
        super().__init__()
        self.epsilon = epsilon
        self.scale = nn.Parameter(torch.ones(width))
        # Not an `nn.Linear`: it is small, and few bits would send rows to other experts.
        self.weight = nn.Parameter(torch.empty(experts, width))
        self.expert_scale = nn.Parameter(torch.ones(experts))
        self.chosen = chosen

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """For rows [Q, D] the experts' numbers [Q, chosen] and float32 weights [Q, chosen]."""
        normed = functional.rms_norm(rows, self.scale.shape, self.scale, self.epsilon)
        scores = functional.linear(normed, self.weight)
        return kernels.route(scores, rows.shape[1] ** -0.5, self.expert_scale, self.chosen)


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
        self.epsilon = epsilon
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
        norms = (self.after_attention, self.before_dense, self.before_experts)
        rows, for_dense, for_experts = kernels.add_attended(
            rows, attended, _weights(*norms), self.epsilon
        )
        # The router sees the rows as they are; it has a norm of its own.
        mixed = self.experts(for_experts, *self.router(rows))
        norms = (self.after_dense, self.after_experts, self.after_both)
        return kernels.add_fed(
            rows, self.dense(for_dense), mixed, _weights(*norms), scale, self.epsilon
        )


def _weights(one: RMSNorm, two: RMSNorm, three: RMSNorm) -> tuple[Tensor, Tensor, Tensor]:
    return one.weight, two.weight, three.weight


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
