"""4-bit groups: packed, restored, multiplied, and fitted to what is multiplied with them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.models import int4
from engine.models.int4 import (
    Int4Linear,
    affine_of,
    dequantize,
    native_block,
    pack_codes,
    unpack_codes,
)
from engine.models.int4_fit import GROUP, quantize

needs_product = pytest.mark.skipif(native_block() is None, reason="no 4-bit product on this CPU")


def random_matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def linear_of(weight: Tensor, bias: Tensor | None = None) -> tuple[Int4Linear, Tensor]:
    """The packed linear, and the numbers that it stands for."""
    matrix = quantize(weight)
    scale, zero = affine_of(matrix.scale, matrix.zero, matrix.unit)
    return Int4Linear(matrix.codes, scale, zero, bias), dequantize(matrix.codes, scale, zero)


@given(
    st.sampled_from([64, 128, 192]), st.sampled_from([32, 64, 96]), st.sampled_from(int4.BLOCKS),
    st.integers(0, 2**32),
)  # fmt: skip
def test_codes_are_unpacked_as_they_were_packed(
    rows: int, columns: int, block: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(16, (rows, columns), dtype=torch.uint8, generator=generator)
    packed = pack_codes(codes, block)
    assert packed.numel() * 2 == codes.numel()
    assert torch.equal(unpack_codes(packed), codes)


def test_a_code_stands_where_the_text_says() -> None:
    codes = torch.zeros(64, 32, dtype=torch.uint8)
    codes[3, 5], codes[3 + 32, 5] = 9, 4
    packed = pack_codes(codes)
    assert packed[0, 5, 3] == 9 | 4 << 4
    assert packed.count_nonzero() == 1


def test_what_is_restored_is_close() -> None:
    weight = random_matrix(128, 256)
    matrix = quantize(weight)
    kept = dequantize(matrix.codes, *affine_of(matrix.scale, matrix.zero, matrix.unit))
    assert (kept - weight).norm() / weight.norm() < 0.1


def test_an_outlier_does_not_drown_its_group() -> None:
    weight = random_matrix(64, 64)
    weight[0, 0] = 40.0
    matrix = quantize(weight)
    kept = dequantize(matrix.codes, *affine_of(matrix.scale, matrix.zero, matrix.unit))
    rest = slice(GROUP, None)
    assert (kept[:, rest] - weight[:, rest]).norm() / weight[:, rest].norm() < 0.15
    assert abs(kept[0, 0] - 40.0) < 2.0


@needs_product
@pytest.mark.parametrize("rows", [1, 2, 5, 16])
def test_few_rows_are_multiplied_as_the_plain_twin_does(rows: int) -> None:
    linear, plain = linear_of(random_matrix(128, 256), torch.arange(128).bfloat16() / 64)
    given_rows = random_matrix(rows, 256, seed=3).bfloat16()
    wanted = given_rows.float() @ plain.t() + torch.arange(128) / 64
    assert (linear(given_rows).float() - wanted).abs().max() < 0.02 * wanted.abs().max()


@needs_product
def test_many_rows_meet_the_very_numbers() -> None:
    linear, plain = linear_of(random_matrix(192, 320))
    assert torch.equal(linear.unpacked().t(), plain.bfloat16())


@needs_product
def test_many_rows_and_few_give_the_same_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    linear, _ = linear_of(random_matrix(128, 256))
    rows = random_matrix(24, 256, seed=4).bfloat16()
    monkeypatch.setattr(int4, "crossover", lambda group: 1000)
    few = linear(rows)
    monkeypatch.setattr(int4, "crossover", lambda group: 1)
    many = linear(rows)
    assert (few.float() - many.float()).abs().max() < 0.02 * few.float().abs().max()


@needs_product
def test_a_row_is_the_same_to_the_bit_whatever_stands_beside_it() -> None:
    linear, _ = linear_of(random_matrix(128, 256))
    rows = random_matrix(12, 256, seed=5).bfloat16()
    alone = torch.cat([linear.few(rows[index : index + 1]) for index in range(12)])
    for count in (2, 3, 4, 5, 8, 12):
        assert torch.equal(linear.few(rows[:count]), alone[:count])


@needs_product
def test_two_matrices_share_the_buffer_they_are_unpacked_into() -> None:
    small, plain_small = linear_of(random_matrix(64, 64))
    large, plain_large = linear_of(random_matrix(192, 256))
    assert torch.equal(small.unpacked().t(), plain_small.bfloat16())
    assert torch.equal(large.unpacked().t(), plain_large.bfloat16())
    assert torch.equal(small.unpacked().t(), plain_small.bfloat16())


def test_a_kernel_that_packs_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    native_block.cache_clear()
    monkeypatch.setattr(
        torch.ops.aten, "_convert_weight_to_int4pack_for_cpu",
        lambda codes, _: codes.to(torch.uint8)[:, ::2],
    )  # fmt: skip
    try:
        assert native_block() is None
    finally:
        monkeypatch.undo()
        native_block.cache_clear()
