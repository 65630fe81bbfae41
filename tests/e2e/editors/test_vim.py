"""Vim 9 with `editors/vim`: grey text as virtual text, in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typist
from neovim import SOURCE, install_from_debian
from sessions import SERVER
from terminal import Terminal

PLUGIN = Path(__file__).resolve().parents[3] / "editors" / "vim"
ANSWER = "total = a + b\n    return total"

pytestmark = [pytest.mark.editor, pytest.mark.timeout(300)]


class Vim(Terminal):
    """Vim with the plugin and nothing else."""

    def __init__(self, program: str, folder: Path, text: str, **script: Any) -> None:
        self.file, self.journal = folder / "a.py", folder / "journal"
        self.file.write_text(text)
        settings = {"model": json.dumps({"journal": str(self.journal), **script})}
        (folder / "vimrc").write_text(
            f"set nocompatible encoding=utf-8 nomore noswapfile viminfo=\nfiletype on\n"
            f"set runtimepath^={PLUGIN}\nlet g:infill_command = {json.dumps([*SERVER, '--stdio'])}\n"
            f"let g:infill_settings = {json.dumps(settings)}\n"
        )
        (runtime,) = (Path(program).parents[1] / "share" / "vim").glob("vim9*")
        command = [program, "-u", str(folder / "vimrc"), str(self.file)]
        super().__init__(folder, command, {"VIMRUNTIME": str(runtime)})

    def read(self) -> str:
        """The file, written by the editor."""
        self.keys("Escape", ":w", "Enter")
        self.wait("written")
        return self.file.read_text()


@pytest.fixture
def program(request: pytest.FixtureRequest) -> str:
    folder = request.config.cache.mkdir("vim")
    return install_from_debian(folder, "trixie", "vim", "vim.basic")


@pytest.fixture
def vim(program: str, tmp_path: Path) -> Iterator[Vim]:
    with Vim(program, tmp_path, SOURCE, answer=ANSWER) as vim:
        yield vim


def open_body(vim: Vim) -> None:
    """Into insert mode where a body is missing, until the grey text is there."""
    vim.wait("def add")
    vim.keys("j", "A")
    for _ in range(40):  # the server may still be starting: asked again after each key
        vim.keys("x", "BSpace")
        try:
            vim.wait("    return total", 1.0)
        except AssertionError:
            continue
        return


def test_ghost_text_is_typed_through_and_accepted(vim: Vim) -> None:
    open_body(vim)
    vim.wait("    total = a + b")
    asked = vim.journal.read_text().count("request")
    vim.keys("total")
    vim.wait("    return total")
    assert vim.journal.read_text().count("request") == asked, "typed through, not asked again"
    vim.keys("Tab", "!")
    text = "    total = a + b\n    return total!\n"
    assert vim.read() == SOURCE.replace("    \n", text, 1)


@pytest.mark.parametrize("seconds", [2, 10])
def test_what_is_typed_before_the_model_is_loaded(
    program: str, tmp_path: Path, seconds: float
) -> None:
    """Also where it takes longer than the server waits, and typing begins before the server is there."""
    with Vim(program, tmp_path, SOURCE, answer="otal = a + b", load_seconds=seconds) as vim:
        vim.wait("def add")
        vim.keys("j", "A", "t")
        vim.wait("    total = a + b", 60)
        assert vim.journal.read_text().count('"request"') == 1
        vim.keys("Tab")
        assert vim.read() == SOURCE.replace("    \n", "    total = a + b\n", 1)


def test_leaving_insert_mode_or_typing_another_way_hides_it(vim: Vim) -> None:
    open_body(vim)
    vim.keys("Escape")
    while "return total" in vim.screen():
        pass
    vim.keys("A", "x")
    vim.wait("    x")
    vim.keys("Escape", "u")
    assert vim.read() == SOURCE, "grey text was never in the file"


def test_tab_without_a_suggestion_is_a_tab(vim: Vim) -> None:
    vim.wait("def add")
    vim.keys("G", "o", "Tab", "Escape")
    assert vim.read().endswith("\n\t\n")


def test_one_step_undoes_what_was_accepted(vim: Vim) -> None:
    open_body(vim)
    vim.keys("Tab")
    vim.wait("    return total")
    vim.keys("Escape", "u")
    assert vim.read() == SOURCE


def test_a_minute_of_ten_keys_a_second(program: str, tmp_path: Path) -> None:
    with Vim(program, tmp_path, "", **typist.SCRIPT) as vim:
        vim.keys("i")
        typist.check(vim.type(typist.keys()))
        assert vim.read() == typist.TEXT + "\n"
