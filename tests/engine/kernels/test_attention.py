"""Attention to what is held, against its plain twin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.models.kernels import Held, plain


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / shape[-1] ** 0.25


def held(length: int, real: int, kv_heads: int, size: int, like: Tensor) -> Held:
    """A prompt in a buffer that has room for more, in which there is nothing that may be read."""
    buffer = random(2, length + 9, kv_heads, size, seed=4).to(like)
    buffer[:, length:] = torch.nan
    addresses = torch.tensor([[0, 0], [buffer[0].data_ptr(), buffer[1].data_ptr()]])
    counts = torch.tensor([length, real], dtype=torch.int32)
    return Held([buffer, buffer], addresses.to(like.device), counts.to(like.device))


@pytest.mark.parametrize(
    ("parts", "causal", "window"),
    [(1, False, None), (3, False, 40), (1, True, 40), (3, True, None)],
)
@pytest.mark.parametrize(
    ("variants", "width", "real", "length"),
    [
        (1, 1, 1, 0),
        (1, 7, 7, 0),
        (1, 32, 20, 5),
        (3, 16, 16, 39),
        (2, 33, 30, 150),
        (1, 90, 90, 64),
    ],
)
def test_as_the_plain_way(
    device: torch.device, dtype: torch.dtype, parts: int, causal: bool, window: int | None,
    variants: int, width: int, real: int, length: int,
) -> None:  # fmt: skip
    """Below, at and beyond the window; canvases full and padded; prompts in one part and several."""
    from engine.models.kernels import attention

    heads, kv_heads, size = 6, 2, 32
    queries = random(variants * width, heads, size, seed=1).to(device, dtype)
    keys, values = (
        random(variants * width, kv_heads, size, seed=seed).to(device, dtype) for seed in (2, 3)
    )
    prompt = held(length, real, kv_heads, size, queries)
    given = (queries, keys, values, prompt, 1)
    how = {"variants": variants, "window": window, "causal": causal}
    found = attention.attend(*given, **how, parts=parts).unflatten(0, (variants, width))
    wanted = plain.attend(*given, **how).unflatten(0, (variants, width))
    near = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(found[:, :real], wanted[:, :real], atol=near, rtol=near)


@pytest.mark.parametrize(("heads", "kv_heads", "size"), [(4, 4, 16), (8, 1, 64), (16, 2, 512)])
def test_heads_of_all_sizes(device: torch.device, heads: int, kv_heads: int, size: int) -> None:
    from engine.models.kernels import attention

    queries = random(20, heads, size, seed=1).to(device)
    keys, values = (random(20, kv_heads, size, seed=seed).to(device) for seed in (2, 3))
    given = (queries, keys, values, held(50, 20, kv_heads, size, queries), 1)
    how = {"variants": 1, "window": None, "causal": False}
    found = attention.attend(*given, **how, parts=2)
    torch.testing.assert_close(found, plain.attend(*given, **how), atol=1e-5, rtol=1e-5)
