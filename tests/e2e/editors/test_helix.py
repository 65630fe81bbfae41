"""Helix, which has no inline completion: suggestions come in its completion menu."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typist
from neovim import SOURCE, install_from_debian
from sessions import SERVER
from terminal import Terminal

ANSWER = "total = a + b\n    return total"
AS_TYPED = """\
[editor]
auto-pairs = false
gutters = []
indent-heuristic = "simple"
completion-timeout = 5
"""
"""No brackets of its own, no margin, no indentation but the line's above, and a menu within a pause."""

pytestmark = [pytest.mark.editor, pytest.mark.timeout(300)]


class Helix(Terminal):
    """Helix with our server for Python."""

    def __init__(self, program: str, folder: Path, text: str, **script: Any) -> None:
        self.file = folder / "a.py"
        self.file.write_text(text)
        config = folder / "helix" / "languages.toml"
        config.parent.mkdir()
        (config.parent / "config.toml").write_text(AS_TYPED)
        command, *arguments = [*SERVER, "--stdio"]
        model = json.dumps(json.dumps(script))  # TOML's strings are JSON's
        config.write_text(
            f"[language-server.infill]\ncommand = {json.dumps(command)}\nargs = {json.dumps(arguments)}\n"
            f"config = {{ infill = {{ model = {model} }} }}\n\n"
            '[[language]]\nname = "python"\nlanguage-servers = ["infill"]\n'
        )
        environment = {
            "HELIX_RUNTIME": str(Path(program).parents[1] / "lib" / "hx" / "runtime"),
            **{f"XDG_{kind}_HOME": str(folder) for kind in ("CONFIG", "CACHE", "STATE")},
        }
        super().__init__(folder, [program, str(self.file)], environment)

    def read(self) -> str:
        """The file, written by the editor."""
        self.keys("Escape")
        self.wait("NOR")
        self.keys(":w", "Enter")
        self.wait("written")
        return self.file.read_text()


@pytest.fixture
def program(request: pytest.FixtureRequest) -> str:
    return install_from_debian(request.config.cache.mkdir("helix"), "forky", "hx", "hx")


@pytest.fixture
def helix(program: str, tmp_path: Path) -> Iterator[Helix]:
    with Helix(program, tmp_path, SOURCE, answer=ANSWER) as helix:
        yield helix


def test_several_lines_are_accepted_from_the_menu(helix: Helix) -> None:
    helix.wait("def add")
    helix.keys("j", "A")
    helix.wait("INS")
    for _ in range(40):  # the server may still be starting
        helix.keys("C-x")
        time.sleep(0.5)
        if "total = a + b…" in helix.screen():
            break
    helix.keys("Tab", "Enter")
    helix.wait("    return total")
    assert helix.read().splitlines()[:3] == [
        "def add(a, b):",
        "    total = a + b",
        "    return total",
    ]


def test_a_minute_of_ten_keys_a_second(program: str, tmp_path: Path) -> None:
    """Without indentation, which Helix adds by itself. Entries of its menu are not judged, but never
    get into the text, not by the Enter at a line's end either."""
    text = re.sub(r"^ +", "", typist.TEXT, flags=re.MULTILINE)
    with Helix(program, tmp_path, "", **typist.SCRIPT) as helix:
        helix.wait("NOR")
        helix.keys("i")
        helix.wait("INS")
        screens = helix.type(typist.keys(text))
        offered = [screen for screen in screens if typist.MARK.search("".join(screen.rows))]
        assert len(offered) > 20, "hardly anything was offered"
        assert helix.read() == text + "\n"
