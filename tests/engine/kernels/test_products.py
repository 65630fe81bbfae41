"""Products with matrices in each form, against their plain twins."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.models.forms import Form, Matrix, pack
from engine.models.kernels import plain

FORMS: tuple[Form | None, ...] = (None, "int8", "fp8", "int4")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def matrix(form: Form | None, shape: tuple[int, ...], like: Tensor) -> Matrix:
    """Random numbers in one form; each row's of another size than the next one's."""
    weight = random(*shape, seed=1) * torch.linspace(0.5, 2, shape[-2])[:, None] / shape[-1] ** 0.5
    if form is None:
        return Matrix(None, weight.to(like))
    packed = pack(form, weight.flatten(0, -2))
    parts = {name: part.unflatten(0, shape[:-1]) for name, part in packed.items()}
    return Matrix(form, **{name: part.to(like.device) for name, part in parts.items()})


def near(found: Tensor, wanted: Tensor) -> None:
    assert found.dtype == wanted.dtype
    assert bool(torch.isfinite(found).all())
    off = (found.float() - wanted.float()).norm() / wanted.float().norm()
    assert off < (1e-4 if found.dtype == torch.float32 else 2e-2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("count", "outputs", "inputs"), [(1, 7, 32), (16, 64, 96), (17, 129, 64), (130, 40, 224)]
)
def test_a_product(
    device: torch.device, dtype: torch.dtype, form: Form, count: int, outputs: int, inputs: int
) -> None:
    from engine.models.kernels import products

    rows = random(count, inputs).to(device, dtype)
    held = matrix(form, (outputs, inputs), rows)
    near(products.product(rows, held), plain.product(rows, held))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("count", "experts", "each"), [(1, 4, 1), (5, 8, 3), (40, 6, 2), (70, 3, 3), (3, 128, 8)]
)
def test_experts(
    device: torch.device, dtype: torch.dtype, form: Form, count: int, experts: int, each: int
) -> None:
    """Few rows and many experts, of which most have nothing to do; and many rows for each."""
    from engine.models.kernels import products

    width, inner = 64, 40 if form != "int4" else 32
    rows = random(count, width).to(device, dtype)
    chosen = random(count, experts, seed=2).topk(each).indices.to(device)
    weights = random(count, each, seed=3).abs().to(device)
    gate_up = matrix(form, (experts, 2 * inner, width), rows)
    down = matrix(form, (experts, width, inner), rows)
    given = (rows, chosen, weights, gate_up, down)
    near(products.experts(*given), plain.experts(*given))


def test_all_rows_may_want_the_same_expert(device: torch.device) -> None:
    from engine.models.kernels import products

    rows = random(50, 32).to(device)
    chosen = torch.full((50, 1), 6, device=device)
    weights = torch.ones(50, 1, device=device)
    gate_up, down = matrix(None, (7, 64, 32), rows), matrix(None, (7, 32, 32), rows)
    given = (rows, chosen, weights, gate_up, down)
    near(products.experts(*given), plain.experts(*given))


@pytest.mark.parametrize("form", ["int8", "fp8"])
@pytest.mark.parametrize(("count", "size", "width"), [(1, 40, 32), (17, 1500, 96), (3, 1025, 130)])
def test_a_mean_over_a_table(
    device: torch.device, dtype: torch.dtype, form: Form, count: int, size: int, width: int
) -> None:
    from engine.models.kernels import products

    shares = random(count, size).softmax(-1).to(device, dtype)
    table = matrix(form, (size, width), shares)
    near(products.mean(shares, table), plain.mean(shares, table))


@pytest.mark.parametrize("form", ["fp8", "int4"])
@pytest.mark.parametrize("processors", [1, 132])
def test_a_product_that_ends_in_the_gate(
    device: torch.device, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, form: Form,
    processors: int,
) -> None:  # fmt: skip
    """In large tiles, and in small ones for the many processors of a card."""
    from engine.models.kernels import products, resources

    monkeypatch.setattr(resources, "of", lambda device: (processors, 0))
    rows = random(70, 96).to(device, dtype)
    held = matrix(form, (2 * 90, 96), rows)
    near(products.gated_product(rows, held), plain.gated(plain.product(rows, held)))
    near(products.product(rows, held), plain.product(rows, held))


def test_tiles_keep_a_card_busy() -> None:
    """The published shape's products on an H100: a tile for each multiprocessor where that can be."""
    from engine.models.kernels import products

    for outputs, gate in ((8192, False), (9216, False), (2816, False), (2112, True)):
        block, wide = products._tile(256, outputs, 64 if gate else 128, 132)
        assert -(-256 // block) * -(-outputs // wide) >= 128
    assert products._tile(256, 262_144, 128, 132) == (128, 128)
    assert products._tile(2, 2816, 64, 132) == (16, 32)
