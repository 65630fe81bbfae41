"""The kernels at the published sizes, in bfloat16, against their plain twins in float32."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.models.forms import Form, Matrix, pack
from engine.models.kernels import Held, plain
from engine.models.layers import Rotary

pytestmark = pytest.mark.gpu
NEAR = 1e-2
"""Norm of the difference to that of the result: what bfloat16 costs."""


def random(*shape: int, device: torch.device, seed: int = 0) -> Tensor:
    generator = torch.Generator(device).manual_seed(seed)
    return torch.randn(*shape, generator=generator, device=device)


def near(found: Tensor, wanted: Tensor) -> None:
    assert bool(torch.isfinite(found).all())
    assert (found.float() - wanted.float()).norm() / wanted.float().norm() < NEAR


def matrix(form: Form | None, shape: tuple[int, ...], device: torch.device) -> Matrix:
    weight = random(*shape, device=device, seed=9) / shape[-1] ** 0.5
    if form is None:
        return Matrix(None, weight.bfloat16())
    packed = pack(form, weight.flatten(0, -2))
    return Matrix(form, **{name: part.unflatten(0, shape[:-1]) for name, part in packed.items()})


def exact(held: Matrix) -> Matrix:
    """The same numbers, plain, in float32."""
    codes = held.codes.float() if held.form is None else None
    if codes is None:
        rows = held.codes.shape[:-1]
        parts = (held.codes, held.scale, held.minimum)
        flat = [part if part is None else part.flatten(0, len(rows) - 1) for part in parts]
        codes = Matrix(held.form, *flat).whole(torch.float32).unflatten(0, rows)  # type: ignore[arg-type]
    return Matrix(None, codes)


@pytest.mark.parametrize(("kv_heads", "size", "window"), [(8, 256, 1024), (2, 512, None)])
@pytest.mark.parametrize("length", [0, 3, 1000, 8000])
@pytest.mark.parametrize(
    ("variants", "width", "real", "causal"),
    [(1, 256, 256, False), (1, 32, 20, False), (16, 64, 64, False), (1, 300, 300, True), (1, 2, 2, True)],
)  # fmt: skip
def test_attention(
    device: torch.device, kv_heads: int, size: int, window: int | None, length: int,
    variants: int, width: int, real: int, causal: bool,
) -> None:  # fmt: skip
    from engine.models.kernels import attention

    def given(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Held, int]:
        rows = variants * width
        queries = random(rows, 16, size, device=device, seed=1) / size**0.25
        keys, values = (random(rows, kv_heads, size, device=device, seed=seed) for seed in (2, 3))
        prompt = random(2, length + 64, kv_heads, size, device=device, seed=4).to(dtype)
        prompt[:, length:] = torch.nan
        places = torch.tensor([[part.data_ptr() for part in prompt]], device=device)
        counts = torch.tensor([length, real], dtype=torch.int32, device=device)
        held = Held([prompt], places, counts)
        return queries.to(dtype), (keys / size**0.25).to(dtype), values.to(dtype), held, 0

    how = {"variants": variants, "window": window, "causal": causal}
    found = attention.attend(*given(torch.bfloat16), **how).view(variants, width, -1)[:, :real]
    wanted = plain.attend(*given(torch.float32), **how).view(variants, width, -1)[:, :real]
    near(found, wanted)


@pytest.mark.parametrize("form", [None, "int8", "fp8", "int4"])
@pytest.mark.parametrize("count", [1, 16, 100, 256, 1024])
def test_experts(device: torch.device, form: Form | None, count: int) -> None:
    from engine.models.kernels import products

    rows = random(count, 2816, device=device)
    chosen = random(count, 128, device=device, seed=1).topk(8).indices
    weights = random(count, 8, device=device, seed=2).softmax(-1)
    gate_up = matrix(form, (128, 1408, 2816), device)
    down = matrix(form, (128, 2816, 704), device)
    found = products.experts(rows.bfloat16(), chosen, weights, gate_up, down)
    rounded = rows.bfloat16().float()
    near(found, plain.experts(rounded, chosen, weights, exact(gate_up), exact(down)))


@pytest.mark.parametrize("form", ["int8", "fp8", "int4"])
@pytest.mark.parametrize("count", [1, 16, 100, 256, 2048])
@pytest.mark.parametrize("shape", [(8192, 2816), (2816, 2112), (4224, 2816)])
def test_products(device: torch.device, form: Form, count: int, shape: tuple[int, int]) -> None:
    from engine.models.kernels import products

    rows, held = random(count, shape[1], device=device).bfloat16(), matrix(form, shape, device)
    near(products.product(rows, held), rows.float() @ exact(held).codes.T)


@pytest.mark.parametrize("form", ["int8", "fp8"])
def test_the_vocabulary(device: torch.device, form: Form) -> None:
    """Logits, what is said of them, and the mean embedding."""
    from engine.models.kernels import products, vocabulary

    table = matrix(form, (262_144, 2816), device)
    rows = random(37, 2816, device=device).bfloat16()
    logits = products.product(rows, table)
    near(logits, rows.float() @ exact(table).codes.T)
    bans = torch.zeros(1, 262_144, device=device)
    bans[0, ::3] = -torch.inf
    cold = torch.full((1,), 4.0, device=device)
    banned = torch.zeros(37, dtype=torch.int64, device=device)
    given = (logits, 30.0, cold, bans, banned, torch.rand(37, device=device))
    found, shares = vocabulary.predict(*given)
    wanted, wanted_shares = plain.predict(*given)
    assert torch.equal(found.guess, wanted.guess)
    torch.testing.assert_close(found.confidence, wanted.confidence, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.entropy, wanted.entropy, atol=1e-3, rtol=1e-4)
    # A sum of so many numbers is rounded otherwise in another order.
    assert (found.token == wanted.token).float().mean() > 0.9
    near(shares, wanted_shares)
    near(products.mean(shares, table), shares.float() @ exact(table).codes)


def test_acceptance(device: torch.device) -> None:
    from engine.models.kernels import acceptance

    entropy = random(16, 256, device=device).abs().pow(4)
    token = torch.arange(16 * 256, device=device).view(16, 256)
    found = acceptance.accept(entropy, token, -1 - token, 0.1)
    for mine, wanted in zip(found, plain.accept(entropy, token, -1 - token, 0.1), strict=True):
        assert torch.equal(mine, wanted)


@pytest.mark.parametrize(("kv_heads", "size", "made"), [(8, 256, 32), (2, 512, 18)])
@pytest.mark.parametrize("count", [1, 256, 1024])
def test_heads(device: torch.device, kv_heads: int, size: int, made: int, count: int) -> None:
    from engine.models.kernels import norms

    given = (
        random(count, made, size, device=device, seed=1).bfloat16(),
        random(size, device=device, seed=2).bfloat16(),
        random(size, device=device, seed=3).bfloat16(),
        Rotary(2048, size, 1e4, size // 8).to(device).at(torch.arange(count, device=device), torch.bfloat16),
    )  # fmt: skip
    heads, *rest = given
    found = norms.heads(heads, 16, kv_heads, *rest, 1e-6)
    heads, *rest = (each.float() for each in given)
    for mine, wanted in zip(found, plain.heads(heads, 16, kv_heads, *rest, 1e-6), strict=True):
        near(mine, wanted)


@pytest.mark.parametrize("count", [1, 256, 4096])
def test_sums_between_norms(device: torch.device, count: int) -> None:
    from engine.models.kernels import norms

    rows, one, other = (
        random(count, 2816, device=device, seed=seed).bfloat16() for seed in (1, 2, 3)
    )
    a, b, c = (random(2816, device=device, seed=seed).bfloat16() for seed in (4, 5, 6))
    scale = torch.full((1,), 0.5, device=device, dtype=torch.bfloat16)
    exact = (a.float(), b.float(), c.float())
    found = norms.add_attended(rows, one, (a, b, c), 1e-6)
    wanted = plain.add_attended(rows.float(), one.float(), exact, 1e-6)
    for mine, their in zip(found, wanted, strict=True):
        near(mine, their)
    near(
        norms.add_fed(rows, one, other, (a, b, c), scale, 1e-6),
        plain.add_fed(rows.float(), one.float(), other.float(), exact, scale.float(), 1e-6),
    )


@pytest.mark.parametrize("count", [1, 256, 4096])
def test_routing(device: torch.device, count: int) -> None:
    from engine.models.kernels import routing

    scores = random(count, 128, device=device)
    scale = random(128, device=device, seed=1).abs()
    experts, weights = routing.route(scores, 1.5, scale, 8)
    wanted, wanted_weights = plain.route(scores, 1.5, scale, 8)
    assert torch.equal(experts, wanted)
    torch.testing.assert_close(weights, wanted_weights)
    for mine, their in zip(routing.order(experts, 128), plain.order(experts, 128), strict=True):
        assert torch.equal(mine, their)


@pytest.mark.parametrize("form", ["int8", "fp8", "int4"])
@pytest.mark.parametrize("count", [1, 256, 2048])
def test_products_that_end_in_the_gate(device: torch.device, form: Form, count: int) -> None:
    from engine.models.kernels import products

    rows = random(count, 2816, device=device).bfloat16()
    held = matrix(form, (4224, 2816), device)
    near(products.gated_product(rows, held), plain.gated(rows.float() @ exact(held).codes.T))
