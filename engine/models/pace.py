"""Which number types this CPU multiplies quickly.

Tried, not looked up: it depends on the processor, on what torch was built with, and on kernels that
exist under the same name everywhere but are a hundred times slower in some places.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.quantize import int8_product, quantize_rows

PATIENCE = 1.5
"""A smaller type is taken unless it is this many times slower: it halves the memory, and a result
near 1 would be drawn by lot, so that the same request could be answered differently tomorrow."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The types to use on this CPU."""

    int8: bool
    """For linears."""
    linears: torch.dtype
    """Where they are not int8."""
    attention: torch.dtype


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread until the block ends. Where other programs are busy, the second has to be waited
    for after each operation, and what takes milliseconds takes seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def try_cpu() -> Pace:
    """Multiply matrices of the usual shapes for some milliseconds, on one thread."""
    with one_thread():
        rows, weight = torch.randn(32, 576), torch.randn(1536, 576)
        half_rows, half_weight = rows.bfloat16(), weight.bfloat16()
        small, scale = quantize_rows(weight)
        heads, keys = torch.randn(3, 96, 64), torch.randn(3, 64, 512)
        half_heads, half_keys = heads.bfloat16(), keys.bfloat16()

        full = shortest(lambda: functional.linear(rows, weight))
        half = shortest(lambda: functional.linear(half_rows, half_weight))
        eighth = shortest(lambda: int8_product(rows, small, scale))
        half_scores = shortest(lambda: torch.bmm(half_heads, half_keys))
        full_scores = shortest(lambda: torch.bmm(heads, keys))
    return Pace(
        int8=eighth < PATIENCE * min(half, full),
        linears=torch.bfloat16 if half < PATIENCE * full else torch.float32,
        attention=torch.bfloat16 if half_scores < PATIENCE * full_scores else torch.float32,
    )


def shortest(product: Callable[[], Tensor], tries: int = 5) -> float:
    """Seconds of the quickest of `tries`, after one to warm up."""
    product()
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        product()
        times.append(time.perf_counter() - start)
    return min(times)
