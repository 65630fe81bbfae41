"""Neovim in a terminal, as a user sees it: the pictures of the documentation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from neovim import HERE, PATIENCE, environment
from sessions import SERVER
from terminal import Terminal

TEXT = "def area(circle):\n    \n\n\ndef perimeter(circle):\n    ...\n"
ANSWER = "radius = circle.diameter / 2\n    return math.pi * radius**2"

pytestmark = [pytest.mark.editor, pytest.mark.timeout(600)]


@pytest.fixture
def neovim(program: str, tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    file = tmp_path / "a.py"
    file.write_text(TEXT)
    model = json.dumps({"answer": ANSWER, "steps": 6, "step_seconds": 0.5})
    settings = {"model": model, "deadlineMs": 60_000}
    given = environment(program, tmp_path, [*SERVER, "--stdio"], settings)
    init = str(HERE / "init_plugin.lua")
    terminal = Terminal(tmp_path, [program, "-u", init, "-n", str(file)], given)
    yield terminal
    terminal.close()


def test_ghost_text_and_a_fill_being_refined(neovim: Terminal, pictures: Path) -> None:
    neovim.wait("def area", PATIENCE)
    neovim.keys(":set laststatus=2 statusline=%f%=%{v:lua.require'infill'.status()}", "Enter")
    neovim.wait("infill: fake on cpu", PATIENCE)
    neovim.keys("j", "A")
    neovim.wait("return math.pi", PATIENCE)
    neovim.picture(pictures / "nvim-ghost-text.svg", "Neovim")
    neovim.keys("Escape", ":InfillWatch", "Enter", ":InfillFillHoles", "Enter")
    neovim.wait("radius = circle.diameter░", PATIENCE)
    neovim.picture(pictures / "nvim-refinement.svg", "Neovim, :InfillWatch")
