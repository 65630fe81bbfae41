"""Eight-bit linears against the same sums written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from engine.models.block_llama import BlockLlama
from engine.models.layers import TiedEmbedding
from engine.models.pace import try_cpu
from engine.models.quantize import (
    Int8Embedding,
    Int8Linear,
    int8_product,
    quantize_linears,
    quantize_rows,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain_product(rows: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """Round each row to 127 steps of its largest value, then add up in float64."""
    steps = rows.abs().amax(1, keepdim=True).double().clamp(min=1e-12) / 127
    rounded = (rows.double() / steps).round() * steps
    return rounded @ (weight.double() * scale.double()[:, None]).T


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 40), width=st.sampled_from([16, 32, 96]), seed=st.integers(0, 1000))
def test_the_product_is_that_of_the_rounded_numbers(count: int, width: int, seed: int) -> None:
    rows = random(count, width, seed=seed)
    weight, scale = quantize_rows(random(24, width, seed=seed + 1))
    torch.testing.assert_close(
        int8_product(rows, weight, scale).double(),
        plain_product(rows, weight, scale),
        atol=0.02,  # a value half-way between two steps may go either way
        rtol=1e-4,
    )


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), size=st.floats(1e-6, 1e6))
def test_no_number_moves_by_more_than_half_a_step(seed: int, size: float) -> None:
    table = random(8, 32, seed=seed) * size
    small, scale = quantize_rows(table)
    assert small.dtype == torch.int8
    error = (small * scale[:, None] - table).abs()
    assert (error <= scale[:, None] * 0.5001).all()


def test_one_huge_row_does_not_drown_the_others() -> None:
    """The first token of a text has activations a thousand times larger than the rest."""
    rows, weight = random(4, 64), random(16, 64, seed=1)
    rows[0] *= 1000
    product = int8_product(rows, *quantize_rows(weight))
    exact = rows @ weight.T
    error = (product - exact).norm(dim=1) / exact.norm(dim=1)
    assert error.max() < 0.02


def test_rows_of_zeros_stay_zero() -> None:
    small, scale = quantize_rows(torch.zeros(2, 16))
    assert not small.any()
    assert torch.isfinite(scale).all()
    assert not int8_product(torch.zeros(3, 16), small, scale).any()


def test_the_walk_replaces_every_linear_and_nothing_else(tiny_mask_model: BlockLlama) -> None:
    model = BlockLlama(tiny_mask_model.config)
    model.load_state_dict(tiny_mask_model.state_dict())
    linears = sum(isinstance(each, nn.Linear) for each in model.modules())
    quantize_linears(model)
    assert linears == 8
    assert sum(isinstance(each, Int8Linear) for each in model.modules()) == linears
    assert not any(isinstance(each, nn.Linear) for each in model.modules())
    assert isinstance(model.embedding, TiedEmbedding)


def test_a_quantized_model_says_nearly_the_same(tiny_mask_model: BlockLlama) -> None:
    model = BlockLlama(tiny_mask_model.config)
    model.load_state_dict(tiny_mask_model.state_dict())
    model.eval().requires_grad_(False)
    quantize_linears(model)
    ids, canvas = torch.arange(50), torch.arange(8)[None]
    answers = []
    for each in (tiny_mask_model, model):
        kv = each.new_kv()
        each.encode(ids, kv)
        answers.append(each.denoise(canvas, kv, torch.tensor([[2, 5]])).log_softmax(-1))
    assert (answers[0] - answers[1]).abs().mean() < 0.15


def test_one_table_serves_both_ends() -> None:
    table = random(50, 32)
    small, scale = quantize_rows(table)
    embedding = Int8Embedding(small, scale, torch.float32)
    ids = torch.tensor([3, 49, 0])
    torch.testing.assert_close(embedding(ids), table[ids], atol=0.02, rtol=0)
    rows = random(3, 32, seed=1)
    torch.testing.assert_close(embedding.logits(rows), rows @ table.T, atol=0.4, rtol=0)
    assert sum(each.nbytes for each in embedding.buffers()) == 50 * 32 + 50 * 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_linear_answers_in_the_type_it_was_asked_in(dtype: torch.dtype) -> None:
    linear = Int8Linear(*quantize_rows(random(8, 16)))
    assert linear(random(2, 16).to(dtype)).dtype == dtype


def test_trying_the_cpu_leaves_the_threads_alone() -> None:
    before = torch.get_num_threads()
    pace = try_cpu()
    assert torch.get_num_threads() == before
    assert {pace.linears, pace.attention} <= {torch.float32, torch.bfloat16}


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_table_scores_rows_of_bfloat16(count: int) -> None:
    """Rows as the 4-bit layers give them: not rounded again, and the sums in float32."""
    weight, scale = quantize_rows(random(96, 64))
    table = Int8Embedding(weight, scale, torch.bfloat16)
    rows = random(count, 64, seed=1).bfloat16()
    said = table.logits(rows)
    assert said.dtype == torch.float32
    assert said.shape == (count, 96)
    expected = rows.double() @ (weight.double() * scale.double()[:, None]).T
    # The scales and the sums are rounded to bfloat16, to 1 of 256 parts each.
    torch.testing.assert_close(said.double(), expected, rtol=2**-7, atol=2**-7)
    assert table(torch.tensor([3, 5])).dtype == torch.bfloat16
