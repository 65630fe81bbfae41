"""The native model against transformers' own, on small random checkpoints that transformers wrote."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gemma_checkpoint
import pytest
import torch
from gemma_checkpoint import VOCABULARY, WINDOW, random_ids
from torch import Tensor

from engine.canvas import Canvas, build
from engine.denoise import denoise
from engine.models import diffusion_gemma
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.gemma_config import read_gemma_config
from engine.models.gemma_weights import load_diffusion_gemma
from engine.sampler import sampling_for

NEAR = 1e-4
"""Most that a logit may differ in float32; their standard deviation is 1."""
TIE = 0.05
"""Two logits this near may change places in bfloat16."""
LENGTHS = (1, WINDOW - 2, WINDOW - 1, WINDOW, WINDOW + 1, 100)
"""Of prompts: below, at and beyond the sliding window."""


def load(folder: Path, dtype: torch.dtype) -> DiffusionGemma:
    return load_diffusion_gemma(folder, read_gemma_config(folder), torch.device("cpu"), dtype)


@pytest.fixture(scope="module")
def reference(gemma_reference: Any) -> Any:
    return gemma_reference


@pytest.fixture(scope="module")
def model(gemma_folder: Path) -> DiffusionGemma:
    return load(gemma_folder, torch.float32)


class Reference:
    """transformers' model behind the two calls of `DenoisingModel`, less the roll-back."""

    def __init__(self, model: Any, prompt: Tensor) -> None:
        self.model = model
        encoded = model.model.encoder(input_ids=prompt[None])
        self.cache = encoded.past_key_values

    def denoise(self, canvas: Tensor, rows: Tensor, signal: Tensor | None = None) -> Tensor:
        """One variant. Where there is a signal, anchors get one that leaves no doubt."""
        if signal is not None:
            certain = torch.full((*canvas.shape, VOCABULARY), -torch.inf)
            certain.scatter_(2, canvas[:, :, None], 0.0)
            signal = certain.scatter(1, rows[:, :, None].expand_as(signal), signal)
        logits: Tensor = self.model(
            past_key_values=self.cache,
            decoder_input_ids=canvas,
            self_conditioning_logits=signal,
        ).logits
        return logits.gather(1, rows[:, :, None].expand(-1, -1, VOCABULARY))


def all_rows(canvas: Tensor) -> Tensor:
    return torch.arange(canvas.shape[1]).expand(canvas.shape)


def near(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=NEAR, rtol=0)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_prompt_is_encoded_as_by_the_reference(
    model: DiffusionGemma, reference: Any, length: int
) -> None:
    """All keys and values that a canvas sees, of every layer."""
    prompt = random_ids(length)
    kv = model.new_kv()
    model.encode(prompt, kv)
    assert kv.length == length
    cache = Reference(reference, prompt).cache
    for shape, buffer, layer in zip(
        model.config.shapes, kv.held(1).buffers, cache.layers, strict=True
    ):
        first = 0 if shape.window is None else max(0, length - shape.window + 1)
        keys, values = buffer[:, first:length].transpose(1, 2)
        near(keys[None], layer.keys)
        near(values[None], layer.values)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("width", [1, 12, 256])
def test_a_step_without_and_with_a_signal(
    model: DiffusionGemma, reference: Any, length: int, width: int
) -> None:
    prompt, canvas = random_ids(length), random_ids(1, width, seed=1)
    rows = all_rows(canvas)
    other = Reference(reference, prompt)
    kv = model.new_kv()
    model.encode(prompt, kv)
    first = model.denoise(canvas, kv, rows)
    assert first.dtype == torch.float32
    assert kv.length == length
    near(first, other.denoise(canvas, rows))
    signal = first / 0.7
    second = model.denoise(canvas, kv, rows, signal)
    near(second, other.denoise(canvas, rows, signal))
    assert (second - first).abs().max() > 0.1  # so that the signal counts for something


def test_no_signal_is_not_the_signal_of_equal_logits(model: DiffusionGemma) -> None:
    """The first step's canvas has no signal at all, which is another thing than one that knows
    nothing (a bug that the reference implementations had to mend)."""
    canvas, kv = random_ids(1, 12), model.new_kv()
    model.encode(random_ids(30), kv)
    rows = all_rows(canvas)
    nothing = torch.zeros(1, 12, VOCABULARY)
    difference = model.denoise(canvas, kv, rows) - model.denoise(canvas, kv, rows, nothing)
    assert difference.abs().max() > 0.1


class Noted:
    """A forward for the loop that keeps what it answered."""

    def __init__(self, forward: Any) -> None:
        self.forward = forward
        self.logits: list[Tensor] = []

    def __call__(self, canvas: Tensor, rows: Tensor, signal: Tensor | None) -> Tensor:
        self.logits.append(self.forward(canvas, rows, signal))
        return self.logits[-1]


def loop(forward: Noted, canvas: Canvas, spec: Any, steps: int) -> Tensor:
    """[steps, C] drafts; each run draws the same noise."""
    generator = torch.Generator().manual_seed(3)
    run = denoise(forward, canvas, sampling_for(spec), generator, max_steps=steps)
    return torch.cat([step.ids for step in run])


@pytest.mark.parametrize("length", [5, 100])
@pytest.mark.parametrize("anchors", [0, 5])
def test_eight_steps_of_the_loop_go_the_same_way(
    model: DiffusionGemma, reference: Any, length: int, anchors: int
) -> None:
    """Same noise, self-conditioned from the second step on; with anchors and without."""
    prompt = random_ids(length)
    left, right = (random_ids(anchors, seed=seed).tolist() for seed in (4, 5))
    canvas = build(left, [20], [], right, model.spec, torch.Generator().manual_seed(2))
    kv = model.new_kv()
    model.encode(prompt, kv)
    own = Noted(lambda ids, rows, signal: model.denoise(ids, kv, rows, signal))
    other = Noted(Reference(reference, prompt).denoise)
    drafts, wanted = (loop(each, canvas, model.spec, 8) for each in (own, other))
    assert torch.equal(drafts, wanted)
    assert len(own.logits) == 8
    for found, expected in zip(own.logits, other.logits, strict=True):
        near(found, expected)


def test_in_bfloat16_the_most_probable_token_is_the_same(tmp_path: Path) -> None:
    """And the rounding is no worse than the reference's own.

    All experts are chosen, for near a tie rounding sends a row to other ones, in either model.
    """
    exact = gemma_checkpoint.reference(top_k_experts=8)
    model = load(gemma_checkpoint.write(tmp_path, exact), torch.bfloat16)
    prompt, canvas = random_ids(100), random_ids(1, 256, seed=1)
    rows, kv = all_rows(canvas), model.new_kv()
    model.encode(prompt, kv)
    truth = Reference(exact, prompt).denoise(canvas, rows)
    half = Reference(exact.bfloat16(), prompt)
    # The scale of embeddings is rounded too.
    assert torch.equal(model._embedded(prompt), exact.model.decoder.embed_tokens(prompt))
    wanted = half.denoise(canvas, rows)
    found = model.denoise(canvas, kv, rows)
    assert (found - truth).abs().mean() < 1.1 * (wanted - truth).abs().mean()
    for signal in (None, wanted / 0.7):
        found = model.denoise(canvas, kv, rows, signal)
        wanted = half.denoise(canvas, rows, signal)
        best, second = wanted.topk(2).values.unbind(-1)
        clear = best - second > TIE
        assert clear.float().mean() > 0.8
        assert torch.equal(found.argmax(-1)[clear], wanted.argmax(-1)[clear])


def test_rows_go_to_the_same_experts_with_the_same_weights(
    model: DiffusionGemma, reference: Any
) -> None:
    rows = torch.randn(200, model.config.width, generator=torch.Generator().manual_seed(0))
    used = set()
    for own, other in zip(model.layers, reference.model.decoder.layers, strict=True):
        experts, weights = own.router(rows)
        _, wanted_weights, wanted_experts = other.router(rows)
        assert torch.equal(experts, wanted_experts)
        torch.testing.assert_close(weights, wanted_weights, atol=1e-5, rtol=0)
        near(
            own.experts(rows, experts, weights), other.experts(rows, wanted_experts, wanted_weights)
        )
        used |= set(experts.flatten().tolist())
    assert used == set(range(model.config.experts))


def test_a_prompt_in_pieces_is_the_same_as_in_one(
    model: DiffusionGemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a piece is longer than one pass, and when the cache has to grow."""
    monkeypatch.setattr(diffusion_gemma, "KV_STEP", 32)
    prompt, canvas = random_ids(100), random_ids(1, 8)
    whole, pieces = model.new_kv(), model.new_kv()
    model.encode(prompt, whole)
    monkeypatch.setattr(diffusion_gemma, "ENCODE_CHUNK", 24)
    for piece in (prompt[:1], prompt[1:2], prompt[2:60], prompt[60:]):
        model.encode(piece, pieces)
    assert pieces.length == whole.length == 100
    assert pieces.nbytes == whole.nbytes > 0
    rows = all_rows(canvas)
    near(model.denoise(canvas, pieces, rows), model.denoise(canvas, whole, rows))


@pytest.mark.parametrize("kept", [0, 10, WINDOW, 70, 99])
def test_rolled_back_is_as_good_as_fresh(model: DiffusionGemma, kept: int) -> None:
    """Far beyond the window too: the reference's own sliding cache could not."""
    prompt, other = random_ids(100), random_ids(60, seed=2)
    canvas, kv, fresh = random_ids(2, 8), model.new_kv(), model.new_kv()
    rows = all_rows(canvas)
    model.encode(prompt, kv)
    model.denoise(canvas, kv, rows)
    kv.truncate(kept)
    model.encode(other, kv)
    model.encode(torch.cat((prompt[:kept], other)), fresh)
    near(model.denoise(canvas, kv, rows), model.denoise(canvas, fresh, rows))


def test_variants_do_not_see_one_another(model: DiffusionGemma) -> None:
    canvas, kv = random_ids(3, 8), model.new_kv()
    rows = torch.tensor([[1, 7], [2, 3], [5, 5]])
    signal = torch.randn(3, 2, VOCABULARY, generator=torch.Generator().manual_seed(0))
    signal[2, 1] = signal[2, 0]  # a position asked for twice says the same twice
    model.encode(random_ids(40), kv)
    together = model.denoise(canvas, kv, rows, signal)
    for b in range(3):
        alone = model.denoise(canvas[b : b + 1], kv, rows[b : b + 1], signal[b : b + 1])
        near(together[b : b + 1], alone)


def test_a_cache_cannot_be_rolled_back_to_what_it_never_held(model: DiffusionGemma) -> None:
    kv = model.new_kv()
    model.encode(random_ids(3), kv)
    for length in (-1, 4):
        with pytest.raises(ValueError, match="holds 3 tokens"):
            kv.truncate(length)


def test_more_than_the_context_is_refused(model: DiffusionGemma) -> None:
    kv = model.new_kv()
    room = model.spec.context_length
    with pytest.raises(ValueError, match=f"{room + 1} tokens"):
        model.encode(random_ids(room + 1), kv)
    model.encode(random_ids(room - 7), kv)
    with pytest.raises(ValueError, match=f"{room + 1} tokens"):
        model.denoise(random_ids(1, 8), kv, torch.tensor([[0]]))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"heads": 3}, "cannot share"), ({"experts_chosen": 9}, "cannot be chosen")],
)
def test_impossible_shapes_are_refused(
    model: DiffusionGemma, change: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(model.config, **change)


def test_parameters_are_counted(model: DiffusionGemma) -> None:
    assert model.config.parameters == sum(each.numel() for each in model.parameters())
