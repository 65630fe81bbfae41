"""Neovim in a terminal, as a user sees it: the pictures of the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
from neovim import PATIENCE, in_terminal

TEXT = "def area(circle):\n    \n\n\ndef perimeter(circle):\n    ...\n"
ANSWER = "radius = circle.diameter / 2\n    return math.pi * radius**2"

pytestmark = [pytest.mark.editor, pytest.mark.timeout(600)]


def test_ghost_text_and_a_fill_being_refined(program: str, tmp_path: Path, pictures: Path) -> None:
    with in_terminal(program, tmp_path, TEXT, answer=ANSWER, steps=6, step_seconds=0.5) as neovim:
        neovim.keys("j", "A")
        neovim.wait("return math.pi", PATIENCE)
        neovim.picture(pictures / "nvim-ghost-text.svg", "Neovim")
        neovim.keys("Escape", ":InfillWatch", "Enter", ":InfillFillHoles", "Enter")
        neovim.wait("radius = circle.diameter░", PATIENCE)
        neovim.picture(pictures / "nvim-refinement.svg", "Neovim, :InfillWatch")
