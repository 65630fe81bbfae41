"""expect.py COPY PRODUCTS: the kernels' table for a card with these rates (TB/s read and written
by a copy, TFLOP/s of a large bfloat16 product), before anything is measured on it."""

from __future__ import annotations

import sys
from typing import Any

import torch
from kernel_cases import PUBLISHED, cases
from kernel_table import lines
from kernel_work import LAUNCH, META, Case, Make, Work, expected_seconds
from torch_launches import TorchLaunches

from engine.bench import shapes
from engine.bench.launches import noted
from engine.bench.limits import Part, Rates

STEPS = 16
ROUTER = 2
"""Launches of torch for each layer's scores, which are no kernel of ours."""
H100 = (132, 232_448)
"""Multiprocessors, and bytes of shared memory that a program may take."""


def launches_of(case: Case) -> int:
    """Triton's and torch's."""
    work, counted = case.make(Make(META, torch.bfloat16, 0)), TorchLaunches()
    with noted(*H100) as found, counted:
        work.run()
    return len(found) + counted.made.total()


def foreseen(case: Case, work: Work, rates: Rates, launches: int) -> dict[str, Any]:
    """A row of the table."""
    return {
        "kernel": case.kernel,
        "shape": case.shape,
        "launches": launches,
        "bytes": work.bytes,
        "operations": work.operations,
        "limit": Part(case.kernel, work.bytes, work.operations).seconds(rates),
        "expected": expected_seconds(case.kernel, work, rates, launches),
    }


def table(rates: Rates) -> str:
    """Of all kernels, and below it of a whole step with one canvas."""
    make = Make(META, torch.bfloat16, 0)
    found = [foreseen(case, case.make(make), rates, launches_of(case)) for case in cases(PUBLISHED)]
    return "\n".join([*lines(found), "", *(step(found, form) for form in ("fp8", "int4"))]) + "\n"


def step(rows: list[dict[str, Any]], form: str) -> str:
    """What a step is made of, kernel by kernel, added up."""
    known = {(row["kernel"], row["shape"]): row for row in rows}
    count, prompt = f"{PUBLISHED.canvas} rows", PUBLISHED.prompt
    table = "int8" if form == "int4" else form  # 4 bits keep the table in 8
    every = [
        ("add_attended", count),
        ("gated", f"{form}, {count}"),
        ("product", f"{form}, down, {count}"),
        ("route", count),
        ("experts", f"{form}, {count}"),
        ("add_fed", count),
    ]
    made = {
        kind: [
            ("product", f"{form}, qkv{of}, {count}"),
            ("heads", f"{kind}, {count}"),
            ("attend", f"{kind}, 1x{PUBLISHED.canvas} behind {prompt}"),
            ("product", f"{form}, output{of}, {count}"),
            *every,
        ]
        for kind, of in (("sliding", ""), ("full", " of a full layer"))
    }
    once = [
        ("product", f"{table}, logits, {count}"),
        ("predict", count),
        ("mean", f"{table}, {count}"),
        ("accept", f"1x{PUBLISHED.canvas}"),
    ]
    all_ = [each for kind in shapes.PUBLISHED.kinds for each in made[kind]] + once
    limit, expected = (sum(known[each][name] for each in all_) for name in ("limit", "expected"))
    launches = sum(known[each]["launches"] for each in all_) + ROUTER * len(shapes.PUBLISHED.kinds)
    expected += ROUTER * len(shapes.PUBLISHED.kinds) * LAUNCH
    speed = PUBLISHED.canvas / STEPS / expected
    return (
        f"{form}, a step: limit {limit * 1e3:.1f} ms, expected {expected * 1e3:.1f} ms in {launches} "
        f"launches; a canvas at {STEPS} steps: {speed:,.0f} tokens/s expected"
    )


if __name__ == "__main__":
    copy, products = map(float, sys.argv[1:])
    print(table(Rates(copy * 1e12, products * 1e12)), end="")
