"""Where the kernels are tested: on the GPU where there is one, else by Triton's interpreter.

The interpreter must be chosen before Triton is first imported; nothing that a test imports at its
top does that.
"""

from __future__ import annotations

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(scope="session")
def device() -> torch.device:
    pytest.importorskip("triton", reason="Triton cannot be installed here")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(params=["single", "half"])
def dtype(request: pytest.FixtureRequest, device: torch.device) -> torch.dtype:
    """Of activations. The interpreter's products do not know bfloat16."""
    half = torch.bfloat16 if device.type == "cuda" else torch.float16
    return torch.float32 if request.param == "single" else half
