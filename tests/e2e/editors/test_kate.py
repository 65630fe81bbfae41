"""Kate with the README's configuration: suggestions in its completion menu. Seen and typed by VNC."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from neovim import PATIENCE, SOURCE, install_from_debian
from sessions import ROOT, SERVER

README = (ROOT / "editors" / "README.md").read_text("utf-8")
ANSWER = "total = a + b\n    return total"

pytestmark = [pytest.mark.editor, pytest.mark.timeout(600)]


class Kate:
    """Kate on a screen of its own, with our server for Python."""

    def __init__(self, program: str, vnc: Path, folder: Path) -> None:
        self.file, self.journal = folder / "a.py", folder / "journal"
        self.file.write_text(SOURCE)
        config = folder / ".config" / "kate" / "lspclient" / "settings.json"
        config.parent.mkdir(parents=True)
        config.write_text(self._settings())
        # Kate asks once whether it may start a server.
        allowed = f"[lspclient]\nAllowedServerCommandLines={shlex.join([*SERVER, '--stdio'])}\n"
        (folder / ".config" / "katerc").write_text(allowed)
        root = Path(program).parents[1]
        (libraries,) = (root / "lib").glob("*-linux-gnu")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = {
            **{f"XDG_{kind}_HOME": str(folder / ".config") for kind in ("CONFIG", "DATA", "CACHE")},
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_DATA_DIRS": str(root / "share"),
            # Libraries that others look for in the system's folders.
            "LD_LIBRARY_PATH": f"{libraries}/libproxy:{libraries}/pulseaudio",
            "QT_PLUGIN_PATH": str(libraries / "qt6" / "plugins"),
            "QT_QPA_PLATFORM": f"vnc:port={port}",
            "XKB_CONFIG_ROOT": str(root / "share" / "X11" / "xkb"),
        }
        self.process = subprocess.Popen(
            ["dbus-run-session", "--", program, "--new", "--block", str(self.file)],
            env={**os.environ, **environment},
        )
        self._vnc = [sys.executable, str(vnc / "bin" / "vncdo"), "-s", f"127.0.0.1::{port}"]
        self._vnc_environment = {**os.environ, "PYTHONPATH": str(vnc)}

    def _settings(self) -> str:
        """The README's, with the fake server in place of ours."""
        text = README.split("\n## Kate\n")[1].split("```json\n")[1].split("```")[0]
        settings = json.loads(text)
        server = settings["servers"]["python"]
        assert server["command"] == ["infill-lsp"]
        server["command"] = [*SERVER, "--stdio"]
        model = json.dumps({"answer": ANSWER, "journal": str(self.journal)})
        server["initializationOptions"]["infill"] = {"model": model}
        return json.dumps(settings)

    def do(self, *actions: str) -> bool:
        """What `vncdo` shall do, e.g. "key", "enter". Whether it could."""
        done = subprocess.run(
            [*self._vnc, *actions], env=self._vnc_environment, timeout=PATIENCE, check=False
        )
        return done.returncode == 0

    def close(self) -> None:
        for process in (*psutil.Process(self.process.pid).children(recursive=True), self.process):
            process.kill()
        self.process.wait()


@pytest.fixture
def kate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kate]:
    """Kate and a program that looks at it are installed once, into pytest's cache."""
    if shutil.which("dbus-run-session") is None:
        pytest.skip("needs D-Bus")
    folder = request.config.cache.mkdir("kate")
    vnc = folder / "vncdotool"
    if not vnc.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(vnc)]
        subprocess.run([*pip, "vncdotool==1.4.2"], check=True)
    program = install_from_debian(folder, "trixie", "kate", "kate", "libqt6svg6", "qt6-qpa-plugins")
    kate = Kate(program, vnc, tmp_path)
    yield kate
    kate.close()


def test_several_lines_are_accepted_from_the_menu(kate: Kate) -> None:
    deadline = time.monotonic() + PATIENCE
    while not kate.do("key", "ctrl-home", "key", "down", "key", "end"):
        assert time.monotonic() < deadline, "no screen"
        time.sleep(1)
    while not kate.journal.exists() or '"end"' not in kate.journal.read_text():
        assert time.monotonic() < deadline, "nothing is asked"
        kate.do("key", "ctrl-space", "pause", "2")  # the server may still be starting
    kate.do("pause", "1", "key", "enter", "pause", "1")
    while kate.file.read_text() == SOURCE:
        assert time.monotonic() < deadline, "nothing is saved"
        kate.do("key", "ctrl-s", "pause", "1")
    assert kate.file.read_text() == SOURCE.replace("    \n", f"    {ANSWER}\n", 1)
