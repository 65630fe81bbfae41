"""The slow, obvious way to what each kernel computes. What runs on a CPU, and what the kernels must
equal: the tests hold each of them against its twin here."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.forms import Matrix
from engine.models.kernels.prompt import Held
from engine.models.layers import turn

TABLE_ROWS_AT_ONCE = 16384
"""Of a vocabulary's table: to make it whole would take more memory than it does."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of some positions, after its whole vocabulary was looked at once."""

    guess: Tensor
    """int64, the most probable id; of equals the first."""
    confidence: Tensor
    """float32, the probability of the guess."""
    entropy: Tensor
    """float32, nats."""
    token: Tensor
    """int64, an id drawn at random."""


def product(rows: Tensor, matrix: Matrix) -> Tensor:
    """[Q, N] of rows [Q, K] and a matrix [N, K]."""
    if matrix.codes.shape[0] <= TABLE_ROWS_AT_ONCE:
        return functional.linear(rows, matrix.whole(rows.dtype))
    parts = [functional.linear(rows, matrix.whole(rows.dtype, some)) for some in _blocks(matrix)]
    return torch.cat(parts, 1)


def mean(shares: Tensor, matrix: Matrix) -> Tensor:
    """[Q, K]: rows of a matrix [V, K], as much of each as `shares` [Q, V] says."""
    parts = [
        torch.mm(shares[:, some], matrix.whole(shares.dtype, some)) for some in _blocks(matrix)
    ]
    return torch.stack(parts).sum(0, dtype=torch.float32).to(shares.dtype)


def _blocks(matrix: Matrix) -> list[slice]:
    step = TABLE_ROWS_AT_ONCE
    return [slice(start, start + step) for start in range(0, matrix.codes.shape[0], step)]


def gated(gate_up: Tensor) -> Tensor:
    """[Q, I] from [Q, 2 I]: the second half, as much of it as the first half lets through."""
    gate, up = gate_up.chunk(2, -1)
    return functional.gelu(gate, approximate="tanh") * up


def heads(
    made: Tensor, count: int, kv_heads: int, query_weight: Tensor, key_weight: Tensor,
    rotary: Tensor, epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Queries [Q, count, head_dim], keys and values [Q, kv_heads, head_dim], each head divided by its
    root mean square.

    made: [Q, N, head_dim]: queries, keys and then values; where there are none, they are the keys.
    query_weight, key_weight: [head_dim], by which queries and keys are scaled; then `rotary`
        [2, Q, 1, head_dim] turns them.
    """
    size, end = made.shape[-1:], count + kv_heads
    queries = functional.rms_norm(made[:, :count], size, query_weight, epsilon)
    keys = functional.rms_norm(made[:, count:end], size, key_weight, epsilon)
    values = functional.rms_norm(made[:, -kv_heads:], size, None, epsilon)
    return turn(queries, rotary), turn(keys, rotary), values


def add_attended(
    rows: Tensor, attended: Tensor, norms: tuple[Tensor, Tensor, Tensor], epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`rows` [Q, D] with what attention adds, and that normed twice: for the dense feed-forward and
    for the experts. norms: [D] each, of what is added, and of these two."""
    after, before_dense, before_experts = norms
    width = after.shape
    rows = rows + functional.rms_norm(attended, width, after, epsilon)
    for_dense = functional.rms_norm(rows, width, before_dense, epsilon)
    return rows, for_dense, functional.rms_norm(rows, width, before_experts, epsilon)


def add_fed(
    rows: Tensor, dense: Tensor, mixed: Tensor, norms: tuple[Tensor, Tensor, Tensor],
    scale: Tensor, epsilon: float,
) -> Tensor:  # fmt: skip
    """`rows` [Q, D] with what the dense feed-forward and the experts add, times `scale` [1].
    norms: [D] each, of the one, of the other, and of their sum."""
    after_dense, after_experts, after_both = norms
    width = after_both.shape
    both = functional.rms_norm(dense, width, after_dense, epsilon)
    both = both + functional.rms_norm(mixed, width, after_experts, epsilon)
    return (rows + functional.rms_norm(both, width, after_both, epsilon)) * scale


def route(
    scores: Tensor, factor: float, expert_scale: Tensor, chosen: int
) -> tuple[Tensor, Tensor]:
    """The experts [Q, chosen] with the largest `scores` [Q, E], the largest first, and float32 weights
    [Q, chosen]: their probabilities, after `factor`, as shares of one another, times each expert's
    own `expert_scale` [E]."""
    weights, experts = (scores.float() * factor).softmax(-1).topk(chosen)
    weights = weights / weights.sum(-1, keepdim=True)
    return experts, weights * expert_scale[experts]


def order(chosen: Tensor, experts: int) -> tuple[Tensor, Tensor]:
    """Places in `chosen` [Q, n], flattened, one expert after another: int64 [Q n]; and where among
    them each expert's end: int64 [E]."""
    ascending, places = chosen.flatten().sort(stable=True)
    each = torch.arange(experts, device=chosen.device)
    return places, torch.searchsorted(ascending, each, right=True)


def experts(rows: Tensor, chosen: Tensor, weights: Tensor, gate_up: Matrix, down: Matrix) -> Tensor:
    """[Q, D]: gated feed-forwards, of which each row of `rows` [Q, D] goes through a few.

    chosen, weights: [Q, n], which, and how much each counts. gate_up: [E, 2 I, D]. down: [E, D, I].
    """
    mixed = torch.zeros_like(rows)
    for expert in torch.unique(chosen).tolist():
        row, place = (chosen == expert).nonzero(as_tuple=True)
        inner = gated(functional.linear(rows[row], gate_up.whole(rows.dtype, expert)))
        made = functional.linear(inner, down.whole(rows.dtype, expert))
        mixed.index_add_(0, row, (made * weights[row, place, None]).to(rows.dtype))
    return mixed


def attend(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    held: Held,
    layer: int,
    *,
    variants: int,
    window: int | None,
    causal: bool,
) -> Tensor:
    """[Q, H, head_dim]: attention of rows to a prompt and to their own variant.

    queries [Q, H, head_dim], keys and values [Q, kv_heads, head_dim]: of `variants` times the same
        number of rows, one variant after another; each variant stands right behind the prompt.
    window: a row sees so many keys, its own included. Where not `causal`, all rows see the whole
        variant, and of the prompt what the row right behind it sees.
    Scores are not scaled. Rows that are padding get numbers without meaning.
    """
    length, width = held.counts.tolist()
    own = [each.view(variants, -1, *each.shape[1:])[:, :width] for each in (keys, values)]
    first = 0 if window is None else max(0, length - window + 1)
    seen = [
        torch.cat((prompt[None, first:length].expand(variants, -1, -1, -1), each), 1)
        for prompt, each in zip(held.buffers[layer], own, strict=True)
    ]
    mask = _causal(length, width, first, window, queries.device) if causal and width > 1 else None
    asked = queries.view(variants, -1, *queries.shape[1:])
    mixed = torch.zeros_like(asked)
    mixed[:, :width] = functional.scaled_dot_product_attention(
        asked[:, :width].transpose(1, 2),
        seen[0].transpose(1, 2),
        seen[1].transpose(1, 2),
        attn_mask=mask,
        scale=1.0,
        enable_gqa=True,
    ).transpose(1, 2)
    return mixed.flatten(0, 1)


def _causal(
    length: int, width: int, first: int, window: int | None, device: torch.device
) -> Tensor:
    """[width, K] bool: what `width` rows behind the prompt see of it, from `first`, and of one
    another."""
    rows = torch.arange(length, length + width, device=device)[:, None]
    keys = torch.arange(first, length + width, device=device)
    seen = keys <= rows
    return seen if window is None else seen & (keys > rows - window)


def allowed(logits: Tensor, softcap: float, cold: Tensor, bans: Tensor, banned: Tensor) -> Tensor:
    """float32 [Q, V]: capped, banned, then divided by the temperature. See `predict`."""
    capped = softcap * torch.tanh(logits.float() / softcap)
    return (capped + bans[banned]) * cold


def predict(
    logits: Tensor, softcap: float, cold: Tensor, bans: Tensor, banned: Tensor, uniforms: Tensor
) -> tuple[Prediction, Tensor]:
    """Each field [Q], and the probabilities [Q, V] in the type of the logits.

    logits: [Q, V]. softcap: they are kept within this of 0. cold: float32 [1], one over the
        temperature. bans: float32 [n, V], added; `banned`: int64 [Q], which line of it.
    uniforms: float32 [Q] from 0 to 1: what is drawn is where the cumulative sum passes them.
    """
    probability = allowed(logits, softcap, cold, bans, banned).softmax(-1)
    confidence, guess = probability.max(-1)
    entropy = torch.special.entr(probability).sum(-1)
    prediction = Prediction(guess, confidence, entropy, draw(probability, uniforms))
    return prediction, probability.to(logits.dtype)


def accept(entropy: Tensor, token: Tensor, noise: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """The next canvas at its free positions: int64 [B, R], `token` where it is accepted, else `noise`;
    and bool [B, R], where that is.

    entropy: float32 [B, R], nats. Of each row the surest are accepted, the leftmost of equals first,
    as long as the entropy of those before adds up to at most `bound`.
    """
    order = entropy.argsort(dim=1, stable=True)
    ascending = entropy.gather(1, order)
    within = ascending.cumsum(1) - ascending <= bound
    accepted = torch.zeros_like(within).scatter(1, order, within)
    return torch.where(accepted, token, noise), accepted


def draw(probability: Tensor, uniforms: Tensor) -> Tensor:
    """One id for each position: int64 [*] from [*, V], which need not add up to 1 exactly.

    Inverts the cumulative sum, which takes one random number a position, `uniforms` [*], instead of
    one a token.
    """
    cumulative = probability.cumsum(-1)
    point = cumulative[..., -1:] * uniforms[..., None]
    drawn = torch.searchsorted(cumulative, point, right=True).clamp_(max=probability.shape[-1] - 1)
    # Sums are rounded, so a point may fall on an id that has no probability at all.
    possible = probability.gather(-1, drawn) > 0
    return torch.where(possible, drawn, probability.argmax(-1, keepdim=True)).squeeze(-1)
