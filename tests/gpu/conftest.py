"""What needs a CUDA device: `pytest -m gpu`. Everywhere else these are skipped with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gemma_checkpoint
import pytest
import torch


@pytest.fixture(scope="session")
def device() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return torch.device("cuda")


@pytest.fixture(scope="session")
def reference() -> Any:
    """transformers' own DiffusionGemma, small and random, on the CPU in float32."""
    pytest.importorskip("transformers")
    return gemma_checkpoint.reference()


@pytest.fixture(scope="session")
def folder(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gemma_checkpoint.write(tmp_path_factory.mktemp("gemma"), reference)
