"""A minute of typing in Neovims with the plugin: 0.12's own grey text, and the plugin's on older ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import typist
from neovim import PATIENCE, in_terminal

pytestmark = [
    pytest.mark.editor,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("version", ["0.10", "0.11", "0.12"]),
]


def test_a_minute_of_ten_keys_a_second(program: str, tmp_path: Path) -> None:
    with in_terminal(program, tmp_path, "", **typist.SCRIPT) as neovim:
        neovim.keys(":setlocal noautoindent indentexpr=", "Enter", "i")
        typist.check(neovim.type(typist.keys()))
        neovim.keys("Escape", ":w", "Enter")
        neovim.wait("written", PATIENCE)
    assert (tmp_path / "a.py").read_text() == typist.TEXT + "\n"
