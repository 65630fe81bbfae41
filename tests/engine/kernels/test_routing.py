"""Which experts read which rows, in which order, against the plain twins."""

from __future__ import annotations

import pytest
import torch

from engine.models.kernels import plain


@pytest.mark.parametrize(
    ("count", "experts", "chosen"), [(1, 1, 1), (5, 6, 3), (40, 128, 8), (9, 8, 8)]
)
def test_routes(
    device: torch.device, dtype: torch.dtype, count: int, experts: int, chosen: int
) -> None:
    """No two scores of a row are equal: of such, neither way says which is taken."""
    from engine.models.kernels import routing

    generator = torch.Generator().manual_seed(count)
    scores = torch.stack([torch.randperm(experts, generator=generator) for _ in range(count)])
    scores = (scores * 0.25 - 3).to(device, dtype)
    scale = (torch.rand(experts, generator=generator) + 0.5).to(device, dtype)
    found, weights = routing.route(scores, 0.3, scale, chosen)
    wanted, wanted_weights = plain.route(scores, 0.3, scale, chosen)
    assert torch.equal(found, wanted)
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights, wanted_weights.float(), atol=1e-6, rtol=1e-5)


def test_scores_that_are_far_apart_do_not_overflow(device: torch.device) -> None:
    from engine.models.kernels import routing

    scores = torch.tensor([[-3e4, 3e4, 0.0, 2.9e4]], device=device)
    experts, weights = routing.route(scores, 1.0, torch.ones(4, device=device), 2)
    assert experts.tolist() == [[1, 3]]
    assert weights.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("rows", "experts", "each"), [(1, 4, 2), (40, 6, 2), (200, 8, 8), (700, 128, 3)]
)
def test_orders(device: torch.device, rows: int, experts: int, each: int) -> None:
    """Fewer places than are looked at once, and more; experts that nobody chose."""
    from engine.models.kernels import routing

    generator = torch.Generator().manual_seed(rows)
    chosen = torch.rand(rows, experts, generator=generator).topk(each).indices
    chosen[chosen == experts // 2] = 0
    places, ends = routing.order(chosen.to(device), experts)
    wanted, wanted_ends = plain.order(chosen, experts)
    assert torch.equal(places.cpu(), wanted)
    assert torch.equal(ends.cpu(), wanted_ends)
    assert sorted(places.tolist()) == list(range(rows * each))
