"""A real VS Code, in a browser, that does what `drive_vscode.mjs` tells it."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import typist
from neovim import HERE, SOURCE
from PIL import Image
from sessions import ROOT

EXTENSION = ROOT / "editors" / "vscode"
SETTINGS = {
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "telemetry.telemetryLevel": "off",
    "chat.disableAIFeatures": True,
    "editor.inlineSuggest.enabled": True,
    "editor.quickSuggestions": {"other": "off"},
}


class CodeServer:
    """VS Code in a browser, with the extension, in a folder of its own."""

    def __init__(self, installed: Path, folder: Path, chromium: str) -> None:
        self.folder = folder
        self.chromium = chromium
        self.node = str(installed / "bin" / "node")
        self._program = str(installed / "code-server" / "out" / "node" / "entry.js")
        self.driver = str(installed / "package.json")
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

    def add_extension(self) -> None:
        """As it is in this checkout."""
        if not (EXTENSION / "node_modules").exists():
            self.run("npm", "ci", "--silent")
        packaged = str(self.folder / "infill-lsp.vsix")
        self.run("npm", "run", "--silent", "package", "--", "--out", packaged)
        self.run(*self.code, "--install-extension", packaged)

    @property
    def code(self) -> list[str]:
        """What is `code` elsewhere."""
        folders = ["--user-data-dir", str(self.folder / "data")]
        folders += ["--extensions-dir", str(self.folder / "extensions")]
        return [self.node, self._program, *folders]

    def run(self, *command: str, cwd: Path = EXTENSION) -> None:
        """Run a program as the user would whose home is the folder."""
        subprocess.run(command, check=True, cwd=cwd, env=self._environment, timeout=900)

    def drive(
        self,
        scenario: str,
        *,
        script: dict[str, Any] | None = None,
        server: Path | None = None,
        source: str = "",
        keys: Iterable[typist.Key] = (),
        network: bool = False,
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Do what `drive_vscode.mjs` has under this name.

        script: of the fake engine; without one, the model is the bundled one. server: the program in
        the settings. source: what pip gets. keys: to be typed. network: whether there is one.
        """
        model = {"infill.model": json.dumps(script)} if script else {}
        self.settings.write_text(json.dumps({**SETTINGS, **model, **settings}))
        if server is not None:
            # A browser is not on the machine: a machine's own settings have their own file.
            machine = self.folder / "data" / "Machine" / "settings.json"
            machine.parent.mkdir(exist_ok=True)
            machine.write_text(json.dumps({"infill-lsp.path": str(server)}))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        given = {
            "scenario": scenario,
            "node": self.node,
            "codeServer": self._program,
            "chromium": self.chromium,
            "driver": self.driver,
            "folder": str(self.folder),
            "pictures": os.environ.get("INFILL_PICTURES", str(self.folder)),
            "port": port,
            "source": source,
            "keys": list(keys),
        }
        drive = [self.node, str(HERE / "drive_vscode.mjs"), json.dumps(given)]
        alone = f"ip link set lo up && exec {shlex.join(drive)}"
        cut_off = ["unshare", "--map-root-user", "--net", "sh", "-c", alone]
        self.run(*(drive if network else cut_off))

    def screencast(self, path: Path) -> None:
        """What was photographed as one moving picture, a second for each frame."""
        frames = sorted(self.folder.glob("frame-*.png"))
        first, *others = [Image.open(frame).quantize() for frame in frames]
        first.save(path, save_all=True, append_images=others, duration=1000, loop=0)
