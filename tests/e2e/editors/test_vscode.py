"""The extension `editors/vscode` in a real VS Code, in a browser, cut off from the network."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import typist
from neovim import SOURCE
from PIL import Image
from sessions import ROOT, SERVER

HERE = Path(__file__).parent
EXTENSION = ROOT / "editors" / "vscode"
SETTINGS = {
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "telemetry.telemetryLevel": "off",
    "chat.disableAIFeatures": True,
    "editor.inlineSuggest.enabled": True,
    "editor.quickSuggestions": {"other": "off"},
}
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
THREE = ["return a + b", "for each in (a, b):\n        total += each\n    return b + a", "return 1"]

pytestmark = [pytest.mark.editor, pytest.mark.timeout(1000)]


class CodeServer:
    """VS Code in a browser, with the extension, in a folder of its own."""

    def __init__(self, installed: Path, folder: Path, chromium: str) -> None:
        self.folder = folder
        self._chromium = chromium
        self._node = str(installed / "bin" / "node")
        self._program = str(installed / "code-server" / "out" / "node" / "entry.js")
        self._driver = str(installed / "package.json")
        places = os.environ["PATH"].split(os.pathsep)
        without = [place for place in places if not (Path(place) / "infill-lsp").exists()]
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(installed / "bin"), *without]),
            "HOME": str(folder),
            "EXTENSIONS_GALLERY": "{}",
        }
        (folder / "workspace").mkdir()
        self.file = folder / "workspace" / "a.py"
        self.file.write_text(SOURCE)
        self.settings = folder / "data" / "User" / "settings.json"
        self.settings.parent.mkdir(parents=True)
        self._add_extension()

    def _add_extension(self) -> None:
        if not (EXTENSION / "node_modules").exists():
            self._run("npm", "ci", "--silent")
        packaged = str(self.folder / "infill-lsp.vsix")
        self._run("npm", "run", "--silent", "package", "--", "--out", packaged)
        folders = ["--user-data-dir", str(self.folder / "data")]
        folders += ["--extensions-dir", str(self.folder / "extensions")]
        self._run(self._node, self._program, *folders, "--install-extension", packaged)

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, cwd=EXTENSION, env=self._environment, timeout=900)

    def drive(
        self,
        scenario: str,
        *,
        script: dict[str, Any] | None = None,
        server: Path | None = None,
        source: str = "",
        keys: Iterable[typist.Key] = (),
        **settings: Any,
    ) -> None:
        """Do what `drive_vscode.mjs` has under this name, without a network.

        script: of the fake engine. server: the program in the settings. source: what pip gets. keys:
        to be typed.
        """
        model = json.dumps(script or {"answer": "otal = a + b"})
        self.settings.write_text(json.dumps({**SETTINGS, "infill.model": model, **settings}))
        if server is not None:
            # A browser is not on the machine: a machine's own settings have their own file.
            machine = self.folder / "data" / "Machine" / "settings.json"
            machine.parent.mkdir(exist_ok=True)
            machine.write_text(json.dumps({"infill-lsp.path": str(server)}))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        given = {
            "scenario": scenario,
            "node": self._node,
            "codeServer": self._program,
            "chromium": self._chromium,
            "driver": self._driver,
            "folder": str(self.folder),
            "pictures": os.environ.get("INFILL_PICTURES", str(self.folder)),
            "port": port,
            "source": source,
            "keys": list(keys),
        }
        drive = shlex.join([self._node, str(HERE / "drive_vscode.mjs"), json.dumps(given)])
        alone = f"ip link set lo up && exec {drive}"
        self._run("unshare", "--map-root-user", "--net", "sh", "-c", alone)


@pytest.fixture
def code_server(request: pytest.FixtureRequest, tmp_path: Path) -> CodeServer:
    """code-server is installed once, into pytest's cache; Chromium must be there."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    installed = Path(request.config.cache.mkdir("code-server"))
    subprocess.run([HERE / "install_code_server.sh", installed, sys.executable], check=True)
    return CodeServer(installed, tmp_path, chromium)


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
    code_server.drive("use", server=server)
    screencast(sorted(code_server.folder.glob("frame-*.png")), pictures / "vscode-accept.gif")
    assert code_server.file.read_text().splitlines()[1] == "    total = a + b"
    assert (code_server.folder / "doctor").read_text().endswith(" --device auto\n")
    chosen = json.loads(code_server.settings.read_text())
    assert chosen["infill.disabledLanguages"] == ["python"]
    folder = json.loads((code_server.file.parent / ".vscode" / "settings.json").read_text())
    assert folder["infill.disabledFiles"][-1] == "a.py"


def test_holes_variants_refill_and_repair(code_server: CodeServer, server: Path) -> None:
    code_server.file.write_text(TWO_HOLES)
    code_server.drive("edit", script={"answer": THREE, "steps": 6}, server=server)


def test_the_model_is_absent(code_server: CodeServer, server: Path) -> None:
    code_server.drive("absent", script={"load_error": "no weights in /nowhere"}, server=server)
    assert code_server.file.read_text() == SOURCE.replace("    \n", "    ten keys a second\n", 1)


def test_a_minute_of_ten_keys_a_second(code_server: CodeServer, server: Path) -> None:
    code_server.file.write_text("")
    code_server.drive(
        "type", script=typist.SCRIPT, server=server, keys=typist.keys(), **AS_TYPED
    )
    screens = json.loads((code_server.folder / "screens.json").read_text())
    typist.check([typist.Screen(**screen) for screen in screens])
    assert code_server.file.read_text() == typist.TEXT


def test_the_server_is_installed_when_there_is_none(code_server: CodeServer) -> None:
    code_server.drive("install", source=str(wheel(code_server.folder)))


def screencast(frames: list[Path], path: Path) -> None:
    """One moving picture, a second for each frame."""
    first, *others = [Image.open(frame).quantize() for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=1000, loop=0)


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
