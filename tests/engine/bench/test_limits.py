"""The limit, against what is known of the published shape."""

from __future__ import annotations

import itertools

import pytest
import torch

from engine.bench.limits import (
    Rates,
    limit_seconds,
    measure_rates,
    prompt_parts,
    step_parts,
)
from engine.bench.shapes import PUBLISHED

H100 = Rates(bytes=3.35e12, operations=990e12)
"""As its maker says."""


def parts(**changes: object) -> dict[str, tuple[float, float]]:
    given = {"form": "fp8", "context": 2048, "batch": 1, "canvas": 256} | changes
    found = step_parts(PUBLISHED, **given)  # type: ignore[arg-type]
    return {part.name: (part.bytes, part.operations) for part in found}


def test_all_weights_are_read_and_active_ones_multiplied() -> None:
    """22.84 billion numbers are experts'; 3.8 billion take part in a row, the table's 0.74 in it."""
    of = parts()
    assert of["experts"][0] == pytest.approx(22.84e9, rel=0.01)
    weights = sum(of[name][0] for name in ("experts", "dense", "projections", "logits"))
    assert weights == pytest.approx(PUBLISHED.parameters, rel=0.01)
    active = sum(of[name][1] for name in ("experts", "dense", "projections", "logits"))
    assert active / 256 / 2 == pytest.approx(3.8e9, rel=0.05)
    assert of["logits"][1] + of["self-conditioning"][1] == pytest.approx(0.76e12, rel=0.01)


def test_few_rows_touch_few_experts() -> None:
    """Of 128, eight rows of eight touch 52 where all are equally likely."""
    few, all_ = parts(canvas=8)["experts"][0], parts(canvas=256)["experts"][0]
    assert 128 * few / all_ == pytest.approx(52, abs=1)


def test_bits_decide_the_bytes_and_batches_the_operations() -> None:
    assert parts(form="int4")["experts"][0] == pytest.approx(parts()["experts"][0] * 5 / 8)
    assert parts(form=None)["experts"][0] == pytest.approx(parts()["experts"][0] * 2)
    assert parts(batch=16)["dense"][1] == 16 * parts()["dense"][1]
    assert parts(batch=16)["dense"][0] == parts()["dense"][0]


def test_the_prompt_is_read_whole_by_full_layers_only() -> None:
    near, far = parts(context=1023)["attention"][0], parts(context=8191)["attention"][0]
    assert far - near == 5 * (8191 - 1023) * 2 * 2 * 512 * 2


def test_a_step_in_fp8_on_an_h100_takes_some_milliseconds() -> None:
    found = step_parts(PUBLISHED, "fp8", context=2048, batch=1, canvas=256)
    assert 7e-3 < limit_seconds(found, H100) < 10e-3


def test_a_prompt_sees_itself_and_what_is_held() -> None:
    """Layer by layer: 5 see all, 25 no more than their window; pairs are counted one by one."""
    held, new = 1500, 700
    pairs = {None: 0, 1024: 0}
    for row, key in itertools.product(range(held, held + new), range(held + new)):
        pairs[None] += key <= row
        pairs[1024] += row - 1024 < key <= row
    of = {part.name: part for part in prompt_parts(PUBLISHED, "fp8", held=held, new=new)}
    wanted = 4 * 16 * (5 * 512 * pairs[None] + 25 * 256 * pairs[1024])
    assert of["attention"].operations == wanted
    assert of["attention"].bytes == 4 * (5 * 2 * 512 * 2200 + 25 * 8 * 256 * 1723)
    assert of["projections"].operations == parts()["projections"][1] / 256 * new
    assert "logits" not in of


def test_the_rates_of_this_machine_are_measured() -> None:
    rates = measure_rates(torch.device("cpu"), torch.float32)
    assert 1e8 < rates.bytes < 1e13
    assert 1e8 < rates.operations < 1e14
