"""The extension `editors/vscode` in a real VS Code, in a browser, cut off from the network."""

from __future__ import annotations

import json
import shlex
import zipfile
from pathlib import Path

import pytest
import typist
from code_server import CodeServer
from neovim import SOURCE
from sessions import SERVER

TWO_HOLES = """\
# Two functions
# that are left to write.

import math


def add(a, b):
    ...


def sub(a, b):
    ...


print(add(1, 2))
"""
AS_TYPED = {
    "editor.autoClosingBrackets": "never",
    "editor.autoClosingQuotes": "never",
    "editor.autoIndent": "none",
}
ANSWER = {"answer": "otal = a + b"}
THREE = ["return a + b", "for each in (a, b):\n        total += each\n    return b + a", "return 1"]

pytestmark = [pytest.mark.editor, pytest.mark.timeout(1000)]


@pytest.fixture
def code_server(code_server: CodeServer) -> CodeServer:
    """With the extension."""
    code_server.add_extension()
    return code_server


@pytest.fixture
def server(code_server: CodeServer, runtime: Path) -> Path:
    """A program that is the relay to a shared server with the fake engine, and the doctor."""
    program = code_server.folder / "server"
    program.write_text(
        f"#!/bin/sh\ncd {shlex.quote(str(code_server.folder))}\n"
        'if [ "$1" = doctor ]; then echo "$@" > doctor; exit; fi\n'
        "echo $$ > server.pid\n"
        f"exec {shlex.join([*SERVER, '--relay'])}\n"
    )
    program.chmod(0o755)
    return program


def test_ghost_text_menu_and_a_server_that_dies(
    code_server: CodeServer, server: Path, pictures: Path
) -> None:
    code_server.drive("use", script=ANSWER, server=server)
    code_server.screencast(pictures / "vscode-accept.gif")
    assert code_server.file.read_text().splitlines()[1] == "    total = a + b"
    assert (code_server.folder / "doctor").read_text().endswith(" --device auto\n")
    chosen = json.loads(code_server.settings.read_text())
    assert chosen["infill.disabledLanguages"] == ["python"]
    folder = json.loads((code_server.file.parent / ".vscode" / "settings.json").read_text())
    assert folder["infill.disabledFiles"][-1] == "a.py"


def test_what_is_typed_before_the_model_is_loaded(code_server: CodeServer) -> None:
    folder = code_server.folder
    program, journal, typed = folder / "server", folder / "journal", folder / "typed"
    program.write_text(
        f"#!/bin/sh\nuntil [ -e {shlex.quote(str(typed))} ]; do sleep 0.1; done\n"
        f"exec {shlex.join([*SERVER, '--stdio'])}\n"
    )
    program.chmod(0o755)
    script = {**ANSWER, "load_seconds": 6, "journal": str(journal)}
    code_server.drive("early", script=script, server=program)
    asked = [entry["prefix"] for entry in map(json.loads, journal.open()) if "prefix" in entry]
    assert asked.count("def add(a, b):\n    t") == 2, "once each time"


def test_holes_variants_refill_and_repair(code_server: CodeServer, server: Path) -> None:
    code_server.file.write_text(TWO_HOLES)
    code_server.drive("edit", script={"answer": THREE, "steps": 6}, server=server)


def test_the_model_is_absent(code_server: CodeServer, server: Path) -> None:
    code_server.drive("absent", script={"load_error": "no weights in /nowhere"}, server=server)
    assert code_server.file.read_text() == SOURCE.replace("    \n", "    ten keys a second\n", 1)


def test_a_minute_of_ten_keys_a_second(code_server: CodeServer, server: Path) -> None:
    code_server.file.write_text("")
    code_server.drive(
        "type", script=typist.SCRIPT, server=server, keys=typist.keys(), settings=AS_TYPED
    )
    screens = json.loads((code_server.folder / "screens.json").read_text())
    typist.check([typist.Screen(**screen) for screen in screens], indents=True)
    assert code_server.file.read_text() == typist.TEXT


def test_the_server_is_installed_when_there_is_none(code_server: CodeServer) -> None:
    code_server.drive("install", script=ANSWER, source=str(wheel(code_server.folder)))


def wheel(folder: Path) -> Path:
    """A wheel whose program `infill-lsp` is the server with the fake engine."""
    command = [*SERVER, "--stdio"]
    about = "infill_lsp-0.dist-info"
    files = {
        "fake_infill_lsp.py": f"import os\ndef main(): os.execv({command[0]!r}, {command!r})\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: infill-lsp\nVersion: 0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": "[console_scripts]\ninfill-lsp = fake_infill_lsp:main\n",
        f"{about}/RECORD": "",
    }
    path = folder / "infill_lsp-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path
