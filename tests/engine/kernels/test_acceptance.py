"""What is accepted of a step, against its plain twin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.models.kernels import plain

BOUND = 0.1


def same(entropy: Tensor, bound: float = BOUND) -> Tensor:
    """What is accepted, in both ways."""
    from engine.models.kernels import acceptance

    token = torch.arange(entropy.numel(), device=entropy.device).view(entropy.shape)
    noise = -1 - token
    ids, accepted = acceptance.accept(entropy, token, noise, bound)
    wanted_ids, wanted = plain.accept(entropy, token, noise, bound)
    assert torch.equal(accepted, wanted)
    assert torch.equal(ids, wanted_ids)
    return accepted


@pytest.mark.parametrize(("variants", "count"), [(1, 1), (1, 16), (3, 33), (2, 200), (16, 256)])
def test_as_the_plain_way(device: torch.device, variants: int, count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    entropy = torch.rand(variants, count, generator=generator).pow(4).to(device)
    accepted = same(entropy)
    assert bool(accepted.any(1).all()), "the surest position of each row always is"
    assert count < 16 or not bool(accepted.all())


def test_of_equals_the_leftmost_first(device: torch.device) -> None:
    accepted = same(torch.full((1, 40), BOUND / 4, device=device), BOUND * 1.01)
    assert accepted.nonzero()[:, 1].tolist() == [0, 1, 2, 3, 4]


def test_where_nothing_is_in_doubt_all_are_accepted(device: torch.device) -> None:
    assert bool(same(torch.zeros(2, 50, device=device)).all())
