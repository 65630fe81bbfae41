"""Helix, which has no inline completion: suggestions come in its completion menu."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from neovim import install_from_debian
from sessions import SERVER
from terminal import Terminal

ANSWER = "total = a + b\n    return total"

pytestmark = [pytest.mark.editor, pytest.mark.timeout(300)]


class Helix(Terminal):
    """Helix with our server for Python."""

    def __init__(self, program: str, folder: Path) -> None:
        self.file = folder / "a.py"
        self.file.write_text("def add(a, b):\n    \n\n\nprint(add(1, 2))\n")
        config = folder / "helix" / "languages.toml"
        config.parent.mkdir()
        command, *arguments = [*SERVER, "--stdio"]
        model = json.dumps(json.dumps({"answer": ANSWER}))  # TOML's strings are JSON's
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


@pytest.fixture
def helix(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Helix]:
    program = install_from_debian(request.config.cache.mkdir("helix"), "forky", "hx", "hx")
    with Helix(program, tmp_path) as helix:
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
    helix.keys("Escape")
    helix.wait("NOR")
    helix.keys(":w", "Enter")
    helix.wait("written")
    assert helix.file.read_text().splitlines()[:3] == [
        "def add(a, b):",
        "    total = a + b",
        "    return total",
    ]
