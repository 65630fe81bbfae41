"""How many launches a layer is. On a card each takes microseconds, and a step has thirty layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_launches import TorchLaunches

from engine.bench.shapes import PUBLISHED
from engine.models import kernels
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.forms import Form
from engine.models.gemma_weights import pack_matrices
from engine.models.kernels import Held

META = torch.device("meta")


@pytest.mark.parametrize(("form", "most"), [(None, 19), ("fp8", 17), ("int4", 17)])
@pytest.mark.parametrize("kind", ["sliding", "full"])
def test_a_layer_is_few_launches(
    device: torch.device, monkeypatch: pytest.MonkeyPatch, form: Form | None, most: int, kind: Any
) -> None:
    """Of a step with one canvas, at the published shape, on an H100's multiprocessors."""
    if device.type == "cuda":
        pytest.skip("for the interpreter")
    from triton.runtime.interpreter import InterpretedFunction

    from engine.models.kernels import resources

    launches = TorchLaunches()

    def launch(kernel: Any, grid: Any) -> Any:
        return lambda *args, **how: launches.made.update([kernel.__name__])

    monkeypatch.setattr(InterpretedFunction, "__getitem__", launch)
    monkeypatch.setattr(kernels, "on", lambda tensor: True)
    monkeypatch.setattr(resources, "of", lambda device: (132, 232_448))
    with META:
        model = DiffusionGemma(PUBLISHED).bfloat16()
        counts, places = torch.empty(2, dtype=torch.int32), torch.empty(30, 2, dtype=torch.int64)
    if form is not None:
        pack_matrices(model, form, torch.bfloat16)
    index, shape = PUBLISHED.kinds.index(kind), PUBLISHED.shape(kind)
    rows = torch.empty(256, 2816, dtype=torch.bfloat16, device=META)
    rotary = torch.empty(2, 256, 1, shape.head_dim, dtype=torch.bfloat16, device=META)

    def attend(queries: Any, keys: Any, values: Any) -> Any:
        return kernels.attend(
            queries, keys, values, Held([], places, counts), index,
            variants=1, window=shape.window, causal=False,
        )  # fmt: skip

    layer = model.layers[index]
    with torch.inference_mode(), launches:
        layer(rows, rotary, attend, layer.decoder_scale)
    print(launches.made)
    assert sum(launches.made.values()) == most
