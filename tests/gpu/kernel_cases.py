"""Every kernel at the sizes at which DiffusionGemma runs it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from kernel_work import HALF, NEAR, Case, Make, Work
from torch import Tensor

from engine.models.forms import Form, Matrix
from engine.models.kernels import Held, plain
from engine.models.layers import Rotary

EPSILON, SOFTCAP = 1e-6, 30.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a model, and of what it reads."""

    attention: tuple[tuple[int, int, int | None], ...]
    """For each kind of layer: key-value heads, numbers of a head, window."""
    heads: int
    width: int
    inner: int
    experts: int
    chosen: int
    expert_inner: int
    vocabulary: int
    canvas: int
    few: int
    """Rows of a small canvas."""
    variants: int
    prompt: int
    longest: int
    chunk: int
    """Rows of prompt in one pass."""


PUBLISHED = Sizes(
    ((8, 256, 1024), (2, 512, None)), 16, 2816, 2112, 128, 8, 704, 262_144, 256, 32, 16, 2048, 8000, 1024
)  # fmt: skip
TINY = Sizes(((2, 16, 16), (1, 32, None)), 4, 64, 64, 8, 2, 32, 1000, 16, 4, 2, 40, 70, 24)
"""For Triton's interpreter, where there is no card."""


def cases(size: Sizes) -> list[Case]:
    """All; the most important size of each kernel first, so that a run that is stopped has seen each
    kernel."""
    made = [
        *_attention(size), *_experts(size), *_products(size), *_vocabulary(size), *_small(size),
    ]  # fmt: skip
    first = {case.kernel: case for case in reversed(made)}.values()
    return [*reversed(first), *(case for case in made if case not in first)]


def _attention(size: Sizes) -> Iterator[Case]:
    for kind, (kv_heads, head, window) in zip(("sliding", "full"), size.attention, strict=True):
        how = functools.partial(_attend, size, kv_heads, head, window)
        for length, variants, width, real, causal in (
            (size.prompt, 1, size.canvas, size.canvas, False),
            (size.prompt, size.variants, size.canvas, size.canvas, False),
            (size.longest, 1, size.canvas, size.canvas, False),
            (size.prompt, 1, size.few, size.few - size.few // 3, False),
            (0, 1, size.few, size.few, False),
            (3, 2, size.few, size.few, False),
            (size.prompt, 1, size.chunk, size.chunk, True),
            (0, 1, size.chunk, size.chunk, True),
            (size.longest, 1, 2, 2, True),
            (size.prompt, 1, 1, 1, True),
        ):
            order = "causal " if causal else ""
            rows = f"{variants}x{width}" + (f" of them {real}" if real < width else "")
            yield Case(
                "attend", f"{kind}, {order}{rows} behind {length}",
                functools.partial(how, length, variants, width, real, causal),
            )  # fmt: skip


def _attend(
    size: Sizes, kv_heads: int, head: int, window: int | None,
    length: int, variants: int, width: int, real: int, causal: bool, make: Make,
) -> Work:  # fmt: skip
    from engine.models.kernels import attention

    rows, scale = variants * width, head**-0.25
    queries = make.random(rows, size.heads, head, seed=1) * scale
    keys = make.random(rows, kv_heads, head, seed=2) * scale
    values = make.random(rows, kv_heads, head, seed=3)
    prompt = make.random(2, length + 64, kv_heads, head, seed=4)
    prompt[:, length:] = torch.nan
    counts = torch.tensor([length, real], dtype=torch.int32)
    places = torch.tensor([[0, 0] if prompt.is_meta else [part.data_ptr() for part in prompt]])
    held = Held([prompt], places.to(make.device), counts.to(make.device))
    twin = Held([prompt.float()], held.addresses, held.counts)
    how = {"variants": variants, "window": window, "causal": causal}

    def real_rows(mixed: Tensor) -> tuple[Tensor]:
        return (mixed.view(variants, width, -1)[:, :real],)

    seen = length if window is None else min(length, window - 1)
    pairs = rows * (seen + real)
    if causal:
        reach = length + width if window is None else window
        pairs = sum(min(reach, length + row + 1) for row in range(width))
    return Work(
        lambda: real_rows(attention.attend(queries, keys, values, held, 0, **how)),
        lambda: real_rows(
            plain.attend(queries.float(), keys.float(), values.float(), twin, 0, **how)
        ),
        HALF * head * (2 * rows * size.heads + 2 * kv_heads * (rows + seen)),
        4 * pairs * size.heads * head,
    )


def _experts(size: Sizes) -> Iterator[Case]:
    forms: tuple[Form | None, ...] = ("fp8", "int4", None, "int8")
    for form in forms:
        many = () if form == "int8" else (1, 32, size.variants * size.canvas)
        for count in (size.canvas, *many):
            yield Case(
                "experts", f"{form or 'plain'}, {count} rows",
                functools.partial(_expert, size, form, count),
            )  # fmt: skip


def _expert(size: Sizes, form: Form | None, count: int, make: Make) -> Work:
    from engine.models.kernels import products

    rows = make.random(count, size.width)
    chosen = make.ids(count, size.experts, size.chosen)
    weights = make.random(count, size.chosen, seed=2, dtype=torch.float32).softmax(-1)
    gate_up = make.matrix(form, size.experts, 2 * size.expert_inner, size.width)
    down = make.matrix(form, size.experts, size.width, size.expert_inner)

    def twin() -> tuple[Tensor]:
        """Each expert's matrices by themselves: all of them in float32 would take much memory."""
        return (plain.experts(rows.float(), chosen, weights, gate_up, down),)

    touched = 1 - (1 - size.chosen / size.experts) ** count
    return Work(
        lambda: (products.experts(rows, chosen, weights, gate_up, down),),
        twin,
        touched * (_nbytes(gate_up) + _nbytes(down)) + 2 * rows.nbytes,
        6 * count * size.chosen * size.width * size.expert_inner,
    )


def _products(size: Sizes) -> Iterator[Case]:
    (kv_heads, head, _), (full_kv_heads, full_head, _) = size.attention
    out = size.heads * head
    matrices = {
        "qkv": ((size.heads + 2 * kv_heads) * head, size.width),
        "qkv of a full layer": ((size.heads + full_kv_heads) * full_head, size.width),
        "output": (size.width, out),
        "output of a full layer": (size.width, size.heads * full_head),
        "down": (size.width, size.inner),
    }
    many = size.variants * size.canvas
    forms: tuple[Form, ...] = ("fp8", "int4", "int8")
    for form in forms:
        for name, shape in matrices.items():
            counts = (size.canvas, 2, 32, many) if name == "qkv" else (size.canvas,)
            for count in counts[:1] if form == "int8" else counts:
                yield Case(
                    "product", f"{form}, {name}, {count} rows",
                    functools.partial(_product, form, shape, count, False),
                )  # fmt: skip
        for count in (size.canvas, 2, 32, many)[: 1 if form == "int8" else None]:
            yield Case(
                "gated", f"{form}, {count} rows",
                functools.partial(_product, form, (2 * size.inner, size.width), count, True),
            )  # fmt: skip


def _product(form: Form, shape: tuple[int, int], count: int, gate: bool, make: Make) -> Work:
    from engine.models.kernels import products

    rows, held = make.random(count, shape[1]), make.matrix(form, *shape)

    def twin() -> tuple[Tensor]:
        made = plain.product(rows.float(), held)
        return (plain.gated(made) if gate else made,)

    outputs = shape[0] // 2 if gate else shape[0]
    return Work(
        lambda: ((products.gated_product if gate else products.product)(rows, held),),
        twin,
        _nbytes(held) + rows.nbytes + HALF * count * outputs,
        2 * count * shape[0] * shape[1],
    )


def _vocabulary(size: Sizes) -> Iterator[Case]:
    shape = (size.vocabulary, size.width)
    for form, counts in (("fp8", (size.canvas, 37, 2)), ("int8", (size.canvas, 37))):
        for count in counts:
            name = f"{form}, {count} rows"
            yield Case(
                "product", f"{form}, logits, {count} rows",
                functools.partial(_product, form, shape, count, False),
            )  # fmt: skip
            yield Case("mean", name, functools.partial(_mean, form, shape, count))
    for count in (size.canvas, 37, 2):
        yield Case("predict", f"{count} rows", functools.partial(_predict, size, count))


def _mean(form: Form, shape: tuple[int, int], count: int, make: Make) -> Work:
    from engine.models.kernels import products

    table = make.matrix(form, *shape)
    shares = (4 * make.random(count, shape[0], dtype=torch.float32)).softmax(-1).to(make.dtype)
    return Work(
        lambda: (products.mean(shares, table),),
        lambda: (plain.mean(shares.float(), table),),
        _nbytes(table) + shares.nbytes + HALF * count * shape[1],
        2 * count * shape[0] * shape[1],
    )


def _predict(size: Sizes, count: int, make: Make) -> Work:
    from engine.models.kernels import vocabulary

    logits = 3 * make.random(count, size.vocabulary)
    bans = torch.zeros(1, size.vocabulary, device=make.device)
    bans[0, ::3] = -torch.inf
    cold = torch.full((1,), 2.0, device=make.device)
    banned = torch.zeros(count, dtype=torch.int64, device=make.device)
    uniforms = make.random(count, seed=5, dtype=torch.float32).sigmoid()
    given = (logits, SOFTCAP, cold, bans, banned, uniforms)

    def parts(said: plain.Prediction, shares: Tensor) -> tuple[Tensor, ...]:
        return said.guess, said.confidence, said.entropy, said.token, shares

    return Work(
        lambda: parts(*vocabulary.predict(*given)),
        lambda: parts(*plain.predict(*given)),
        2 * logits.nbytes + bans.nbytes,
        # A sum of so many numbers is rounded otherwise in another order, so a point between two ids
        # may fall on the one or on the other.
        near=(0.0, 1e-4, 1e-4, 0.1, NEAR),
    )


def _small(size: Sizes) -> Iterator[Case]:
    many = size.variants * size.canvas
    for variants in (1, size.variants):
        yield Case(
            "accept", f"{variants}x{size.canvas}",
            functools.partial(_accept, variants, size.canvas),
        )  # fmt: skip
    for count in (size.canvas, 1, many):
        for kind, attention in zip(("sliding", "full"), size.attention, strict=True):
            yield Case(
                "heads", f"{kind}, {count} rows", functools.partial(_heads, size, attention, count)
            )
        for name, make in (
            ("add_attended", _add_attended),
            ("add_fed", _add_fed),
            ("route", _route),
            ("order", _order),
        ):
            yield Case(name, f"{count} rows", functools.partial(make, size, count))


def _accept(variants: int, count: int, make: Make) -> Work:
    from engine.models.kernels import acceptance

    entropy = make.random(variants, count, dtype=torch.float32).abs().pow(4)
    token = torch.arange(variants * count, device=make.device).view(variants, count)
    given = (entropy, token, -1 - token, 0.1)
    return Work(
        lambda: acceptance.accept(*given),
        lambda: plain.accept(*given),
        entropy.nbytes + 3 * token.nbytes,
        near=(0.0, 0.0),
    )


def _heads(
    size: Sizes, attention: tuple[int, int, int | None], count: int, make: Make
) -> Work:  # fmt: skip
    from engine.models.kernels import norms

    kv_heads, head, window = attention
    stacked = size.heads + kv_heads * (1 if window is None else 2)
    made = make.random(count, stacked, head, seed=1)
    weights = make.random(head, seed=2), make.random(head, seed=3)
    positions = torch.arange(count, device=make.device)
    rotary = Rotary(count, head, 1e4, head // 8).to(make.device).at(positions, make.dtype)
    fixed = (size.heads, kv_heads)
    return Work(
        lambda: norms.heads(made, *fixed, *weights, rotary, EPSILON),
        lambda: plain.heads(
            made.float(), *fixed, *(each.float() for each in weights), rotary.float(), EPSILON
        ),
        made.nbytes + HALF * count * head * (size.heads + 2 * kv_heads) + rotary.nbytes,
        near=(NEAR,) * 3,
    )


def _add_attended(size: Sizes, count: int, make: Make) -> Work:
    from engine.models.kernels import norms

    rows, more = (make.random(count, size.width, seed=seed) for seed in (1, 2))
    weights = tuple(make.random(size.width, seed=seed) for seed in (4, 5, 6))
    exact = tuple(each.float() for each in weights)
    return Work(
        lambda: norms.add_attended(rows, more, weights, EPSILON),
        lambda: plain.add_attended(rows.float(), more.float(), exact, EPSILON),
        5 * rows.nbytes,
        near=(NEAR,) * 3,
    )


def _add_fed(size: Sizes, count: int, make: Make) -> Work:
    from engine.models.kernels import norms

    rows, one, other = (make.random(count, size.width, seed=seed) for seed in (1, 2, 3))
    weights = tuple(make.random(size.width, seed=seed) for seed in (4, 5, 6))
    exact = tuple(each.float() for each in weights)
    scale = torch.full((1,), 0.5, device=make.device, dtype=make.dtype)
    return Work(
        lambda: (norms.add_fed(rows, one, other, weights, scale, EPSILON),),
        lambda: (
            plain.add_fed(rows.float(), one.float(), other.float(), exact, scale.float(), EPSILON),
        ),
        4 * rows.nbytes,
    )


def _route(size: Sizes, count: int, make: Make) -> Work:
    from engine.models.kernels import routing

    # No two of a row are equal: of such neither way says which is taken.
    scores = make.ids(count, size.experts, size.experts) * 0.0625 - 3
    scale = make.random(size.experts, seed=1, dtype=torch.float32).abs()
    given = (scores, 1.5, scale, size.chosen)
    return Work(
        lambda: routing.route(*given),
        lambda: plain.route(*given),
        scores.nbytes + count * size.chosen * 12,
        near=(0.0, 1e-5),
    )


def _order(size: Sizes, count: int, make: Make) -> Work:
    from engine.models.kernels import routing

    chosen = make.ids(count, size.experts, size.chosen)
    return Work(
        lambda: routing.order(chosen, size.experts),
        lambda: plain.order(chosen, size.experts),
        2 * chosen.nbytes,
        near=(0.0, 0.0),
    )


def _nbytes(matrix: Matrix) -> int:
    parts = (matrix.codes, matrix.scale, matrix.minimum)
    return sum(part.nbytes for part in parts if part is not None)
