"""What a program would launch, found out without a device: it runs on meta tensors, which have sizes
and no numbers, and each kernel's launch is noted instead of made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from engine.bench.shapes import KEY_SLOTS, KEY_TOKENS, Size
from engine.models import kernels
from engine.models.base import Asked
from engine.models.diffusion_gemma import ENCODE_CHUNK, DiffusionGemma
from engine.models.forms import Form
from engine.models.gemma_weights import pack_matrices
from engine.models.kernels import resources

META = torch.device("meta")


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of one kernel, by what it is compiled for."""

    module: str
    kernel: str
    arguments: tuple[object, ...]
    """In their order; of a tensor its type."""
    options: tuple[tuple[str, object], ...]
    """Constants of the kernel, warps and stages."""


@contextmanager
def noted(processors: int, shared: int) -> Iterator[list[Launch]]:
    """Within it kernels take meta tensors, and what they would launch is in the list.

    processors, shared: of the device that is meant (`resources.of`). Not under Triton's interpreter.
    """
    from triton.runtime.jit import JITFunction

    found: list[Launch] = []

    def note(kernel: Any, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> None:
        given = tuple(each.dtype if isinstance(each, Tensor) else each for each in arguments)
        function = kernel.fn
        found.append(
            Launch(function.__module__, function.__name__, given, tuple(sorted(options.items())))
        )

    before = JITFunction.run, kernels.on, resources.of
    JITFunction.run = note
    kernels.on = lambda tensor: True
    resources.of = lambda device: (processors, shared)  # type: ignore[assignment]
    try:
        yield found
    finally:
        JITFunction.run, kernels.on, resources.of = before


def launches_of(
    size: Size, forms: Iterable[Form | None], device: torch.device,
    dtype: torch.dtype = torch.bfloat16,
) -> list[Launch]:  # fmt: skip
    """All that the suite launches at one size; a layer of each kind stands for all of its kind."""
    kinds: tuple[Any, ...] = ("sliding", "full")
    with noted(*resources.of(device)) as found:
        for form in forms:
            with META:
                model = DiffusionGemma(replace(size.config, kinds=kinds))
            if form is not None:
                pack_matrices(model, form, dtype)
            model = model.to(dtype)
            for length in {KEY_TOKENS, *_chunks(size.contexts)}:
                _encode(model, length)
            for batch in size.batches:
                _step(model, batch, size.canvas)
            for slots in {*size.canvases, min(KEY_SLOTS, size.canvas)}:
                _step(model, 1, slots)
    return found


def _chunks(contexts: Iterable[int]) -> set[int]:
    """Rows of the passes in which prompts so long are encoded."""
    lengths = set(contexts)
    last = {length % ENCODE_CHUNK for length in lengths} - {0}
    return last | ({ENCODE_CHUNK} if max(lengths) >= ENCODE_CHUNK else set())


def _encode(model: DiffusionGemma, length: int) -> None:
    model.encode(torch.empty(length, dtype=torch.int64, device=META), model.new_kv())


def _step(model: DiffusionGemma, batch: int, slots: int) -> None:
    ids = torch.empty(batch, slots, dtype=torch.int64, device=META)
    asked = Asked(
        torch.empty(1, device=META),
        torch.empty(1, model.spec.vocab_size, device=META),
        ids,
        torch.empty(batch, slots, device=META),
    )
    held = model.held(ids, model.new_kv())
    said, signal = model.predict(ids, held, ids, None, asked)
    model.predict(ids, held, ids, signal, asked)
    kernels.accept(said.entropy, said.token, ids, 0.1)
