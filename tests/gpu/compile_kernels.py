"""python compile_kernels.py CAPABILITY PROCESSORS SHARED: compile every kernel in each variant that the
tests of this folder launch, for a card that need not be here, on all cores. For each variant a line of
JSON: its name, seconds, bytes of shared memory, and why it could not be compiled.

A process of its own: what it finds lies in Triton's cache afterwards, and Triton's interpreter, which
tests elsewhere switch on, must be off.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace

import torch
from kernel_cases import PUBLISHED, cases
from kernel_work import META, Make
from small_model import LENGTHS, SHAPE, VARIANTS

from engine.bench import shapes
from engine.bench.compile_ahead import compile_for
from engine.bench.launches import Launch, launches_of, noted
from engine.bench.shapes import Size
from engine.models.forms import Form
from engine.models.kernels import resources

FORMS: tuple[Form | None, ...] = (None, "int8", "fp8", "int4")


def wanted() -> Iterator[Launch]:
    """All that is launched."""
    make = Make(META, torch.bfloat16, 0)
    for case in cases(PUBLISHED):
        work = case.make(make)
        with noted(*resources.of(META)) as found:
            work.run()
        yield from found
    yield from launches_of(shapes.SIZES["tiny"].short(), FORMS, META)
    small = Size(SHAPE, LENGTHS, VARIANTS, 32, 1, 1, (16,), SHAPE)
    yield from launches_of(small, FORMS, META, torch.float32)
    yield from launches_of(small, ("fp8", "int4", None), META)
    yield from launches_of(replace(shapes.SIZES["real"].short(), batches=(1,)), ("int4",), META)


if __name__ == "__main__":
    capability, processors, shared = map(int, sys.argv[1:])
    resources.of = lambda device: (processors, shared)  # type: ignore[assignment]
    for made in compile_for(capability, wanted()):
        print(json.dumps(asdict(made)))
