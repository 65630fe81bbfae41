"""Editors for the tests: `start` gives a Neovim, `version` says which; `code_server` is a VS Code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from code_server import CodeServer
from neovim import HERE, Neovim, install

Start = Callable[..., Neovim]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where a test draws: $INFILL_PICTURES, to renew the documentation's, or nowhere in particular."""
    folder = Path(os.environ.get("INFILL_PICTURES", tmp_path))
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """Where a test writes what it measured: $INFILL_MEASURED, to renew the documentation's figures, or
    nowhere in particular."""
    return Path(os.environ.get("INFILL_MEASURED", tmp_path))


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


@pytest.fixture
def code_server(request: pytest.FixtureRequest, tmp_path: Path) -> CodeServer:
    """VS Code in a browser, without the extension. It is installed once, into pytest's cache; Chromium
    must be there."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    installed = Path(request.config.cache.mkdir("code-server"))
    subprocess.run([HERE / "install_code_server.sh", installed, sys.executable], check=True)
    return CodeServer(installed, tmp_path, chromium)
