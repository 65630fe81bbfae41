"""The pass over the vocabulary, against its plain twin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.models.kernels import plain

SOFTCAP = 30.0
pytestmark = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
"""The interpreter computes both sides of a `where`, and NumPy says so."""


def case(
    count: int, size: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, float, Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count * size)
    logits = torch.randn(count, size, generator=generator) * 8
    bans = torch.zeros(2, size)
    bans[0, torch.randperm(size, generator=generator)[: size // 3]] = -torch.inf
    bans[1] = -torch.inf
    bans[1, torch.randperm(size, generator=generator)[: 1 + size // 50]] = 0.0
    banned = torch.randint(0, 2, (count,), generator=generator)
    uniforms = torch.rand(count, generator=generator)
    tensors = (torch.tensor([1 / 0.7]), bans, banned, uniforms)
    cold, bans, banned, uniforms = (each.to(device) for each in tensors)
    return logits.to(device, dtype), SOFTCAP, cold, bans, banned, uniforms


@pytest.mark.parametrize(("count", "size"), [(1, 5), (3, 300), (7, 4096), (2, 4097), (5, 9001)])
def test_as_the_plain_way(device: torch.device, dtype: torch.dtype, count: int, size: int) -> None:
    """Odd sizes: one piece and several, the last one full and not."""
    from engine.models.kernels import vocabulary

    given = case(count, size, device, dtype)
    found, shares = vocabulary.predict(*given)
    wanted, wanted_shares = plain.predict(*given)
    assert torch.equal(found.guess, wanted.guess)
    torch.testing.assert_close(found.confidence, wanted.confidence, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.entropy, wanted.entropy, atol=1e-5, rtol=1e-5)
    near = {"atol": 1e-6, "rtol": 1e-4 if dtype == torch.float32 else 1e-2}
    torch.testing.assert_close(shares, wanted_shares, **near)
    assert torch.equal(found.token, wanted.token)


def test_what_is_drawn_has_the_probabilities_that_are_said(device: torch.device) -> None:
    """Random numbers from 0 to 1 in equal steps hit each id as often as it is probable."""
    from engine.models.kernels import vocabulary

    count, size = 40, 6
    logits, softcap, cold, *_ = case(1, size, device)
    uniforms = (torch.arange(count, device=device) + 0.5) / count
    banned = torch.zeros(count, dtype=torch.int64, device=device)
    bans = torch.zeros(1, size, device=device)
    drawn, shares = vocabulary.predict(
        logits.expand(count, -1).contiguous(), softcap, cold, bans, banned, uniforms
    )
    often = torch.bincount(drawn.token, minlength=size) / count
    torch.testing.assert_close(often, shares[0], atol=3 / count, rtol=0)


@pytest.mark.parametrize("uniform", [0.0, 1.0])
def test_what_is_banned_is_never_drawn(device: torch.device, uniform: float) -> None:
    """At both ends of the random numbers too, and where whole pieces are banned."""
    from engine.models.kernels import vocabulary

    logits, softcap, cold, bans, banned, uniforms = case(4, 9001, device)
    bans[1] = -torch.inf
    bans[1, 5000] = 0.0
    found, _ = vocabulary.predict(
        logits, softcap, cold, bans, banned, torch.full_like(uniforms, uniform)
    )
    assert bool(torch.isfinite(bans[banned, found.token]).all())
    assert bool((found.token[banned == 1] == 5000).all())
    assert found.entropy[banned == 1].abs().max() < 1e-5
