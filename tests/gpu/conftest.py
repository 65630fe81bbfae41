"""What needs a CUDA device: `pytest -m gpu`. Everywhere else these are skipped with the reason, or
rehearsed (`rehearsal`).

Each test has its own limit, and they run in a process beside pytest's own (`conftest` of all tests):
one whose kernel hangs, or breaks the device's context, ends that process and no other test.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import gemma_checkpoint
import pytest
import torch
from gpu_session import LATE, UNTIL
from rehearsal import REHEARSAL

from engine.bench.limits import Rates, measure_rates

SECONDS = 120 if REHEARSAL else 20
"""Of one test."""


ORDER = ("test_compile", "test_kernels", "test_model", "test_bench")
"""What is most worth knowing first, since the time may not suffice for all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return ORDER.index(item.path.stem) if item.get_closest_marker("gpu") else -1

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("gpu") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS, method="thread"))


@pytest.hookimpl(tryfirst=True)  # before any fixture takes more of it
def pytest_runtest_setup(item: pytest.Item) -> None:
    until = os.environ.get(UNTIL)
    if item.get_closest_marker("gpu") and until and time.time() > float(until):
        pytest.skip(LATE)


@pytest.fixture(scope="session")
def device() -> torch.device:
    if REHEARSAL:
        os.environ["TRITON_INTERPRET"] = "1"
        return torch.device("cpu")
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return torch.device("cuda")


@pytest.fixture
def card(device: torch.device) -> torch.device:
    """For what cannot be rehearsed."""
    if device.type != "cuda":
        pytest.skip("needs a card")
    return device


@pytest.fixture(scope="session")
def rates(device: torch.device) -> Rates:
    """Of this card: what the limits are made of."""
    half = torch.bfloat16 if device.type == "cuda" else torch.float32
    return measure_rates(device, half)


@pytest.fixture(scope="session")
def reference() -> Any:
    """transformers' own DiffusionGemma, small and random, on the CPU in float32."""
    pytest.importorskip("transformers")
    return gemma_checkpoint.reference()


@pytest.fixture(scope="session")
def folder(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gemma_checkpoint.write(tmp_path_factory.mktemp("gemma"), reference)
