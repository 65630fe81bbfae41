"""The parts of DiffusionGemma that cost time or launches, each written twice: as a Triton kernel and,
in `plain.py`, the obvious way. Here, and only here, is decided which of the two runs: kernels on a CUDA
device where Triton is installed (it comes with torch on Linux), else the plain way. Both compute the
same.

Plain numbers in one matrix go through the vendor's library either way.
"""

from __future__ import annotations

import importlib.util

from torch import Tensor
from torch.nn import functional

from engine.models.forms import Matrix
from engine.models.kernels import plain
from engine.models.kernels.plain import Prediction, gated
from engine.models.kernels.prompt import Held

__all__ = [
    "Held",
    "Prediction",
    "accept",
    "add_attended",
    "add_fed",
    "attend",
    "experts",
    "gated",
    "gated_product",
    "heads",
    "mean",
    "predict",
    "product",
    "route",
]

HAS_TRITON = importlib.util.find_spec("triton") is not None


def on(tensor: Tensor) -> bool:
    """Whether kernels compute what is made of `tensor`."""
    return HAS_TRITON and tensor.is_cuda


def product(rows: Tensor, matrix: Matrix) -> Tensor:
    """See `plain.product`."""
    if matrix.form is None:
        return functional.linear(rows, matrix.codes)
    if on(rows):
        from engine.models.kernels import products

        return products.product(rows, matrix)
    return plain.product(rows, matrix)


def mean(shares: Tensor, table: Matrix) -> Tensor:
    """See `plain.mean`. A table in 4 bits has no kernel: none is held so, for it makes the logits."""
    if table.form is None:
        return shares.to(table.codes.dtype) @ table.codes
    if on(shares) and table.form != "int4":
        from engine.models.kernels import products

        return products.mean(shares, table)
    return plain.mean(shares, table)


def experts(rows: Tensor, chosen: Tensor, weights: Tensor, gate_up: Matrix, down: Matrix) -> Tensor:
    """See `plain.experts`."""
    if on(rows):
        from engine.models.kernels import products

        return products.experts(rows, chosen, weights, gate_up, down)
    return plain.experts(rows, chosen, weights, gate_up, down)


def gated_product(rows: Tensor, matrix: Matrix) -> Tensor:
    """`gated` of a product with a matrix [2 I, K]."""
    if on(rows) and matrix.form is not None:
        from engine.models.kernels import products

        return products.gated_product(rows, matrix)
    return gated(product(rows, matrix))


def heads(
    made: Tensor, count: int, kv_heads: int, query_weight: Tensor, key_weight: Tensor,
    rotary: Tensor, epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """See `plain.heads`."""
    given = (made, count, kv_heads, query_weight, key_weight, rotary, epsilon)
    if on(made):
        from engine.models.kernels import norms

        return norms.heads(*given)
    return plain.heads(*given)


def add_attended(
    rows: Tensor, attended: Tensor, norms: tuple[Tensor, Tensor, Tensor], epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """See `plain.add_attended`."""
    if on(rows):
        from engine.models.kernels import norms as fused

        return fused.add_attended(rows, attended, norms, epsilon)
    return plain.add_attended(rows, attended, norms, epsilon)


def add_fed(
    rows: Tensor, dense: Tensor, mixed: Tensor, norms: tuple[Tensor, Tensor, Tensor],
    scale: Tensor, epsilon: float,
) -> Tensor:  # fmt: skip
    """See `plain.add_fed`."""
    if on(rows):
        from engine.models.kernels import norms as fused

        return fused.add_fed(rows, dense, mixed, norms, scale, epsilon)
    return plain.add_fed(rows, dense, mixed, norms, scale, epsilon)


def route(
    scores: Tensor, factor: float, expert_scale: Tensor, chosen: int
) -> tuple[Tensor, Tensor]:
    """See `plain.route`."""
    if on(scores):
        from engine.models.kernels import routing

        return routing.route(scores, factor, expert_scale, chosen)
    return plain.route(scores, factor, expert_scale, chosen)


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, held: Held, layer: int, *,
    variants: int, window: int | None, causal: bool,
) -> Tensor:  # fmt: skip
    """See `plain.attend`."""
    if on(queries):
        from engine.models.kernels import attention

        return attention.attend(
            queries, keys, values, held, layer, variants=variants, window=window, causal=causal
        )
    return plain.attend(
        queries, keys, values, held, layer, variants=variants, window=window, causal=causal
    )


def predict(
    logits: Tensor, softcap: float, cold: Tensor, bans: Tensor, banned: Tensor, uniforms: Tensor
) -> tuple[Prediction, Tensor]:
    """See `plain.predict`."""
    if on(logits):
        from engine.models.kernels import vocabulary

        return vocabulary.predict(logits, softcap, cold, bans, banned, uniforms)
    return plain.predict(logits, softcap, cold, bans, banned, uniforms)


def accept(entropy: Tensor, token: Tensor, noise: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """See `plain.accept`."""
    if on(entropy):
        from engine.models.kernels import acceptance

        return acceptance.accept(entropy, token, noise, bound)
    return plain.accept(entropy, token, noise, bound)
