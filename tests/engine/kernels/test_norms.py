"""What is done to each row by itself, against its plain twins."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.models.kernels import plain
from engine.models.layers import Rotary

EPSILON = 1e-6


def random(*shape: int, seed: int = 0, size: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * size


def near(found: tuple[Tensor, ...], wanted: tuple[Tensor, ...]) -> None:
    for mine, their in zip(found, wanted, strict=True):
        exact = their.dtype == torch.float32
        tolerance = 1e-5 if exact else 2e-2
        torch.testing.assert_close(mine, their, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("turning", [None, 0, 4])
@pytest.mark.parametrize(
    ("rows", "count", "kv_heads", "size", "shared"),
    [(1, 1, 1, 16, False), (5, 4, 2, 16, False), (7, 8, 1, 32, True), (3, 16, 2, 512, True)],
)
def test_heads_are_normed_and_turned(
    device: torch.device, dtype: torch.dtype, turning: int | None,
    rows: int, count: int, kv_heads: int, size: int, shared: bool,
) -> None:  # fmt: skip
    """All pairs turn, none do, or some; values of their own, and those that are the keys."""
    from engine.models.kernels import norms

    made = random(rows, count + kv_heads * (1 if shared else 2), size, size=3.0)
    weights = [random(size, seed=seed).abs().to(device, dtype) for seed in (1, 2)]
    positions = torch.arange(rows) * 37
    rotary = Rotary(1000, size, 100.0, turning).at(positions, dtype).to(device)
    given = (made.to(device, dtype), count, kv_heads, *weights, rotary, EPSILON)
    near(norms.heads(*given), plain.heads(*given))


@pytest.mark.parametrize(("count", "width"), [(1, 8), (5, 96), (3, 2816)])
def test_sums_between_norms(
    device: torch.device, dtype: torch.dtype, count: int, width: int
) -> None:
    """Rows of another size than what is added to them, so that no norm is one for nothing."""
    from engine.models.kernels import norms

    rows, one, other = (
        random(count, width, seed=seed, size=size).to(device, dtype)
        for seed, size in ((1, 4.0), (2, 0.1), (3, 30.0))
    )
    weights = tuple(random(width, seed=seed).to(device, dtype) for seed in (4, 5, 6))
    near(
        norms.add_attended(rows, one, weights, EPSILON),
        plain.add_attended(rows, one, weights, EPSILON),
    )
    scale = torch.tensor([0.7], device=device, dtype=dtype)
    given = (rows, one, other, weights, scale, EPSILON)
    near((norms.add_fed(*given),), (plain.add_fed(*given),))


def test_a_row_of_zeros_stays_one(device: torch.device) -> None:
    from engine.models.kernels import norms

    zeros = torch.zeros(2, 48, device=device)
    for each in norms.add_attended(zeros, zeros, (zeros[0] + 1,) * 3, EPSILON):
        assert torch.equal(each, zeros)
