"""A DiffusionGemma of any shape with random weights, made where they are to be, in any form.

Packed matrices are not packed from numbers, which would take longer than all that is measured: their
codes are random themselves, and their scales such that a product keeps the size of its rows.
"""

from __future__ import annotations

import torch
from torch import nn

from engine.models.diffusion_gemma import DiffusionGemma, DiffusionGemmaConfig
from engine.models.forms import Form
from engine.models.gemma_weights import pack_matrices
from engine.models.packed import Packed

ROWS_AT_ONCE = 2**14


def random_model(
    config: DiffusionGemmaConfig, form: Form | None, device: torch.device, dtype: torch.dtype
) -> DiffusionGemma:
    """form: of all large matrices; None: plain numbers of `dtype`."""
    with torch.device("meta"):
        model = DiffusionGemma(config)
    if form is not None:
        pack_matrices(model, form, dtype)
    for module in model.modules():
        if isinstance(module, Packed):
            module.to_empty(device=device)
            _fill_packed(module)
        for name, parameter in list(module.named_parameters(recurse=False)):
            filled = torch.empty(parameter.shape, device=device, dtype=dtype)
            # Norms, and the scales of layers and experts, are lines of numbers near 1.
            if filled.dim() == 1:
                filled.uniform_(0.8, 1.2)
            else:
                filled.normal_(0.0, filled.shape[-1] ** -0.5)
            setattr(module, name, nn.Parameter(filled, requires_grad=False))
    model.sliding_rotary.to(device)
    model.full_rotary.to(device)
    return model.eval()


def _fill_packed(module: Packed) -> None:
    matrix = module.matrix
    codes, scale = matrix.codes, matrix.scale
    assert scale is not None
    columns = codes.shape[-1] * (2 if module.form == "int4" else 1)
    size = columns**-0.5
    match module.form:
        case "int4":
            codes.random_(0, 256)
            scale.fill_(size / 4.6)  # the root mean square of 16 equal steps about their middle
            assert matrix.minimum is not None
            matrix.minimum.fill_(-7.5 * size / 4.6)
        case "int8":
            codes.random_(-127, 128)
            scale.fill_(size / 73.3)
        case "fp8":
            for rows in torch.split(codes.flatten(0, -2), ROWS_AT_ONCE):
                rows.copy_(torch.randn(rows.shape, device=rows.device, dtype=torch.bfloat16))
            scale.fill_(size)
