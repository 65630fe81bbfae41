"""The whole model by its kernels: that they are put together as the plain ways are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gemma_checkpoint import VOCABULARY, WINDOW, random_ids

from engine.models import kernels
from engine.models.base import KV, Asked
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.forms import Form
from engine.models.gemma_config import read_gemma_config
from engine.models.gemma_weights import load_diffusion_gemma

LENGTH = 2 * WINDOW
FIELDS = ("guess", "confidence", "entropy", "token")


@pytest.fixture(params=[None, "int4"])
def model(request: pytest.FixtureRequest, gemma_folder: Path) -> DiffusionGemma:
    form: Form | None = request.param
    config = read_gemma_config(gemma_folder)
    return load_diffusion_gemma(gemma_folder, config, torch.device("cpu"), torch.float32, form)


def two_steps(model: DiffusionGemma) -> tuple[KV, list[torch.Tensor]]:
    """Two variants behind a prompt in two pieces, the second step self-conditioned."""
    prompt, canvas, kv = random_ids(LENGTH), random_ids(2, 12, seed=1), model.new_kv()
    for piece in (prompt[:3], prompt[3:]):
        model.encode(piece, kv)
    rows, said, expected = torch.arange(2, 5).repeat(2, 1), [], None
    for _ in range(2):
        asked = Asked(
            torch.full((1,), 1.5),
            torch.zeros(1, VOCABULARY),
            torch.zeros_like(rows),
            torch.full(rows.shape, 0.5),
        )
        prediction, expected = model.predict(canvas, model.held(canvas, kv), rows, expected, asked)
        said += [getattr(prediction, field) for field in FIELDS]
        said.append(expected)
    return kv, said


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_as_by_the_plain_ways(
    device: torch.device, model: DiffusionGemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device.type == "cuda":
        pytest.skip("for the interpreter; tests/gpu has the same for a card")
    kv, wanted = two_steps(model)
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "on", lambda tensor: True)
        other, found = two_steps(model)
    for mine, their in zip(kv.held(1).buffers, other.held(1).buffers, strict=True):
        torch.testing.assert_close(mine[:, :LENGTH], their[:, :LENGTH], atol=1e-4, rtol=1e-4)
    for mine, their in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, their, atol=1e-4, rtol=1e-4)
