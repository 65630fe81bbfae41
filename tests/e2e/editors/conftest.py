"""Neovim for the tests: `start` gives one, `version` says which."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from neovim import Neovim, install

Start = Callable[..., Neovim]


@pytest.fixture
def version() -> str:
    """Which Neovim; a test may be parametrized with another."""
    return "0.12"


@pytest.fixture
def program(request: pytest.FixtureRequest, version: str) -> str:
    """$NVIM, or installed once into pytest's cache."""
    if "NVIM" in os.environ:
        return os.environ["NVIM"]
    return install(version, request.config.cache.mkdir(f"neovim-{version}"))


@pytest.fixture
def start(program: str, tmp_path: Path) -> Iterator[Start]:
    """Start a Neovim: `start(command, settings, plugin=True)`."""
    started: list[Neovim] = []

    def start_neovim(
        command: list[str], options: dict[str, Any], *, plugin: bool = False
    ) -> Neovim:
        started.append(Neovim(program, tmp_path, command, options, plugin=plugin))
        return started[-1]

    yield start_neovim
    for neovim in started:
        neovim.process.kill()
        neovim.process.wait()
