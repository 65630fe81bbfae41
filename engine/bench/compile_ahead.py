"""Kernels compiled before they are wanted, by all cores at once.

One after another they take a core minutes, while a device waits. Compiled they lie in Triton's cache
on disk, where the program finds them when it launches them.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from engine.bench.launches import Launch

if TYPE_CHECKING:
    from triton.backends.compiler import GPUTarget

WARP = 32


@dataclass(frozen=True, slots=True)
class Compiled:
    """What became of one variant of a kernel."""

    kernel: str
    seconds: float
    shared: int
    """Bytes of shared memory that one program takes."""
    error: str = ""
    """Why there is none, in one line."""


class NoCard:
    """A driver for Triton that says which card to compile for, and touches none."""

    def __init__(self, capability: int) -> None:
        self._capability = capability

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int = 0) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self._capability, WARP)


def compile_ahead(launches: Iterable[Launch], device: torch.device) -> list[Compiled]:
    """Each variant of each kernel in `launches`, for the card that `device` is."""
    major, minor = torch.cuda.get_device_capability(device)
    return compile_for(10 * major + minor, launches)


def compile_for(capability: int, launches: Iterable[Launch]) -> list[Compiled]:
    """The same for a card that need not be here, e.g. 90 for Hopper. The slowest come first."""
    wanted = sorted(variants(launches), key=lambda each: each.kernel)
    workers = min(os.cpu_count() or 1, max(1, len(wanted)))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        made = list(pool.map(partial(_compile, capability), wanted))
    return sorted(made, key=lambda each: -each.seconds)


def variants(launches: Iterable[Launch]) -> list[Launch]:
    """One of those that are compiled alike."""
    return list({_alike(launch): launch for launch in launches}.values())


def _alike(launch: Launch) -> tuple[object, ...]:
    """Triton makes a variant for numbers that are 1 and for multiples of 16, unless told not to."""
    kernel = _kernel(launch)
    key: list[object] = [launch.module, launch.kernel, launch.options]
    for name, given in zip(kernel.arg_names, launch.arguments, strict=False):
        if isinstance(given, int) and not name.isupper():
            alone = name in kernel.do_not_specialize
            key.append(alone or (given == 1, given % 16 == 0))
        else:
            # Of a number that is no constant only the type counts.
            key.append(type(given) if isinstance(given, float) else given)
    return tuple(key)


def _kernel(launch: Launch) -> Any:
    return getattr(importlib.import_module(launch.module), launch.kernel)


def _compile(capability: int, launch: Launch) -> Compiled:
    from triton.runtime import driver

    driver.set_active(NoCard(capability))
    began = time.monotonic()
    try:
        made = _kernel(launch).warmup(*launch.arguments, grid=(1,), **dict(launch.options))
    except Exception as error:  # a compiler may fail in any way; whoever launches it sees it again
        line = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        return Compiled(launch.kernel, time.monotonic() - began, 0, line)
    return Compiled(launch.kernel, time.monotonic() - began, made.metadata.shared)
