"""python compile_for.py CAPABILITY: compile every kernel at the published shape for a card that is not
there, e.g. 90 for Hopper. For each, a line of JSON: its name and the bytes of shared memory it takes.

A process of its own, because in the tests' own Triton's interpreter is on.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from engine.models.forms import Form, Matrix, part_shapes
from engine.models.kernels import (
    Held,
    acceptance,
    attention,
    norms,
    products,
    resources,
    routing,
    vocabulary,
)

META = torch.device("meta")
CAPABILITY = int(sys.argv[1])
SHARED = {90: 232_448, 89: 101_376}
"""Bytes that one program may take."""
run = JITFunction.run


class NoCard:
    """Says which card to compile for."""

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int = 0) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", CAPABILITY, 32)


def compile_only(kernel: Any, *args: Any, grid: Any, warmup: bool, **how: Any) -> Any:
    made = run(kernel, *args, grid=grid, warmup=True, **how)
    print(json.dumps({"kernel": kernel.__name__, "shared": made.metadata.shared}))
    return made


def empty(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device=META)


def matrix(form: Form | None, *shape: int) -> Matrix:
    if form is None:
        return Matrix(None, empty(*shape))
    parts = part_shapes(form, shape).items()
    return Matrix(form, **{name: empty(*size, dtype=kind) for name, (size, kind) in parts})


def main() -> None:
    driver.set_active(NoCard())
    JITFunction.run = compile_only
    resources.of = lambda device: (132, SHARED[CAPABILITY])
    for kv_heads, size, window in ((8, 256, 1024), (2, 512, None)):
        counts = empty(2, dtype=torch.int32)
        held = Held([], empty(1, 2, dtype=torch.int64), counts)
        for causal, width, variants in (
            (False, 256, 1),
            (False, 256, 16),
            (True, 1, 1),
            (True, 1024, 1),
        ):
            rows = variants * width
            keys = empty(rows, kv_heads, size)
            attention.attend(
                empty(rows, 16, size), keys, keys, held, 0,
                variants=variants, window=window, causal=causal,
            )  # fmt: skip
    for form in (None, "fp8", "int4"):
        gate_up, down = matrix(form, 128, 1408, 2816), matrix(form, 128, 2816, 704)
        for count in (16, 256, 1024, 4096):
            rows, weights = empty(count, 2816), empty(count, 8, dtype=torch.float32)
            products.experts(rows, empty(count, 8, dtype=torch.int64), weights, gate_up, down)
            if form is not None:
                products.product(rows, matrix(form, 8192, 2816))
                products.product(empty(count, 2112), matrix(form, 2816, 2112))
                products.gated_product(rows, matrix(form, 4224, 2816))
    for form in ("int8", "fp8"):
        products.mean(empty(256, 262_144), matrix(form, 262_144, 2816))
    vocabulary.predict(
        empty(256, 262_144), 30.0, empty(1, dtype=torch.float32),
        empty(2, 262_144, dtype=torch.float32), empty(256, dtype=torch.int64),
        empty(256, dtype=torch.float32),
    )  # fmt: skip
    for made, kv_heads, size in ((32, 8, 256), (18, 2, 512)):
        rotary, weight = empty(2, 256, 1, size), empty(size)
        norms.heads(empty(256, made, size), 16, kv_heads, weight, weight, rotary, 1e-6)
    rows, weights = empty(256, 2816), (empty(2816),) * 3
    norms.add_attended(rows, rows, weights, 1e-6)
    norms.add_fed(rows, rows, rows, weights, empty(1), 1e-6)
    routing.route(empty(256, 128), 2816**-0.5, empty(128), 8)
    ids = empty(16, 256, dtype=torch.int64)
    acceptance.accept(empty(16, 256, dtype=torch.float32), ids, ids, 0.1)


main()
