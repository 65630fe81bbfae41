"""What a case of a kernel is made of: how to run it, its plain twin on the same numbers, and the two
numbers that say how fast it can be: operations and bytes.

Bytes are the fewest: each input is read once, each output written once. `EXPECTED` is a guess, written
down before anything was measured, of how much of the device's two rates a kernel reaches.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.bench.limits import Part, Rates
from engine.models.forms import Form, Matrix, pack, part_shapes

META = torch.device("meta")
NEAR = 1e-2
"""Norm of the difference to that of the result: what bfloat16 costs."""
HALF = 2
"""Bytes of a number of the activations."""
LAUNCH = 3e-6
"""Seconds from one launch to the next, in a row of them."""
EXPECTED = {
    "attend": (0.6, 0.35),  # exponentials between two products; a head of 512 leaves small tiles
    "experts": (0.7, 0.3),  # tiles that are part full, and codes made numbers on the way in
    "product": (0.7, 0.45),
    "gated": (0.7, 0.4),
    "mean": (0.6, 0.4),  # sums of parts go through memory
    "predict": (0.4, 1.0),  # logits are read twice, and exponentials of each taken twice
    "accept": (0.01, 1.0),  # a few programs: one launch is all of its time
    "heads": (0.5, 1.0),
    "add_attended": (0.5, 1.0),
    "add_fed": (0.5, 1.0),
    "route": (0.05, 1.0),
    "order": (0.01, 1.0),
}
"""For each kernel the share of the bandwidth and of the matrix units' rate."""


@dataclass(frozen=True, slots=True)
class Make:
    """Inputs on one device."""

    device: torch.device
    dtype: torch.dtype
    """Of activations."""
    seed: int

    def random(self, *shape: int, seed: int = 0, dtype: torch.dtype | None = None) -> Tensor:
        dtype = dtype or self.dtype
        if self.device == META:
            return torch.empty(shape, device=META, dtype=dtype)
        generator = torch.Generator(self.device).manual_seed(self.seed + seed)
        return torch.randn(*shape, generator=generator, device=self.device).to(dtype)

    def matrix(self, form: Form | None, *shape: int) -> Matrix:
        if self.device == META:
            parts = {"codes": (shape, self.dtype)} if form is None else part_shapes(form, shape)
            return Matrix(form, **{name: torch.empty(size, dtype=kind, device=META)
                                   for name, (size, kind) in parts.items()})  # fmt: skip
        return _matrix(self, form, shape)

    def ids(self, count: int, below: int, each: int) -> Tensor:
        """[count, each] int64, different ones in each row."""
        if self.device == META:
            return torch.empty(count, each, device=META, dtype=torch.int64)
        return self.random(count, below, seed=7, dtype=torch.float32).topk(each).indices


@functools.lru_cache(maxsize=3)
def _matrix(make: Make, form: Form | None, shape: tuple[int, ...]) -> Matrix:
    weight = make.random(*shape, seed=9, dtype=torch.float32) / shape[-1] ** 0.5
    if form is None:
        return Matrix(None, weight.to(make.dtype))
    packed = pack(form, weight.flatten(0, -2))
    return Matrix(form, **{name: part.unflatten(0, shape[:-1]) for name, part in packed.items()})


@dataclass(frozen=True, slots=True)
class Work:
    """One case, its inputs made."""

    run: Callable[[], tuple[Tensor, ...]]
    twin: Callable[[], tuple[Tensor, ...]]
    """In float32, whatever the type of the activations."""
    bytes: float
    operations: float = 0.0
    """Of the matrix units."""
    near: tuple[float, ...] = (NEAR,)
    """For each result, the largest error (`error_of`)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kernel at one size."""

    kernel: str
    shape: str
    make: Callable[[Make], Work]

    def __str__(self) -> str:
        return f"{self.kernel}-{self.shape}".replace(" ", "_").replace(",", "")


def error_of(found: Tensor, wanted: Tensor) -> float:
    """Norm of the difference to that of the result; of ids the share that differs. NaN counts as
    infinite."""
    if not found.is_floating_point():
        return float((found != wanted).float().mean())
    if not bool(torch.isfinite(found).all()):
        return float("inf")
    norm = wanted.float().norm().clamp(min=1e-30)
    return float((found.float() - wanted.float()).norm() / norm)


def expected_seconds(kernel: str, work: Work, rates: Rates, launches: int) -> float:
    """What the guess says of a device with such rates."""
    bandwidth, products = EXPECTED[kernel]
    reached = Rates(rates.bytes * bandwidth, rates.operations * products)
    return Part(kernel, work.bytes, work.operations).seconds(reached) + launches * LAUNCH
