"""Kate with the README's configuration: suggestions in its completion menu. Typed by VNC."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import typist
from neovim import PATIENCE, SOURCE, install_from_debian
from sessions import ROOT, SERVER
from vnc import Vnc

README = (ROOT / "editors" / "README.md").read_text("utf-8")
ANSWER = "total = a + b\n    return total"
AS_TYPED = """
[KTextEditor Document]
Newline at End of File=false
Remove Spaces=0
[KTextEditor View]
Auto Brackets=false
"""
INDENTED_AS_TYPED = "kate: indent-mode none;\n"
"""Before what a language has of its own."""

pytestmark = [pytest.mark.editor, pytest.mark.timeout(600)]


def in_readme(kind: str) -> str:
    """The README's configuration of this kind."""
    return README.split("\n## Kate\n")[1].split(f"```{kind}\n")[1].split("```")[0]


class Kate:
    """Kate on a screen of its own, with our server for Python."""

    def __init__(self, program: str, folder: Path, text: str, **script: Any) -> None:
        self.file, self.journal = folder / "a.py", folder / "journal"
        self.file.write_text(text)
        (folder / ".kateconfig").write_text(INDENTED_AS_TYPED)
        config = folder / ".config" / "kate" / "lspclient" / "settings.json"
        config.parent.mkdir(parents=True)
        config.write_text(self._settings(**script))
        # Kate asks once whether it may start a server.
        allowed = f"[lspclient]\nAllowedServerCommandLines={shlex.join([*SERVER, '--stdio'])}\n"
        (folder / ".config" / "katerc").write_text(allowed + AS_TYPED + in_readme("ini"))
        root = Path(program).parents[1]
        (libraries,) = (root / "lib").glob("*-linux-gnu")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        environment = {
            **{f"XDG_{kind}_HOME": str(folder / ".config") for kind in ("CONFIG", "DATA", "CACHE")},
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_DATA_DIRS": str(root / "share"),
            # Libraries that others look for in the system's folders.
            "LD_LIBRARY_PATH": f"{libraries}/libproxy:{libraries}/pulseaudio",
            "QT_PLUGIN_PATH": str(libraries / "qt6" / "plugins"),
            "QT_QPA_PLATFORM": f"vnc:port={self._port}",
            "XKB_CONFIG_ROOT": str(root / "share" / "X11" / "xkb"),
        }
        self.process = subprocess.Popen(
            ["dbus-run-session", "--", program, "--new", "--block", str(self.file)],
            env={**os.environ, **environment},
        )

    def connect(self) -> None:
        """Until its screen is there."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.keyboard = Vnc(self._port)
                return
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "no screen"
                time.sleep(1)

    def _settings(self, **script: Any) -> str:
        """The README's, with the fake server in place of ours."""
        settings = json.loads(in_readme("json"))
        server = settings["servers"]["python"]
        assert server["command"] == ["infill-lsp"]
        server["command"] = [*SERVER, "--stdio"]
        model = json.dumps({**script, "journal": str(self.journal)})
        server["initializationOptions"]["infill"] = {"model": model}
        return json.dumps(settings)

    def ask(self, *keys: str) -> None:
        """Until the server has answered at the place where these keys lead: all of it starts slowly."""
        deadline = time.monotonic() + PATIENCE
        while not self.answered():
            assert time.monotonic() < deadline, "nothing is answered"
            self.keyboard.press("escape", *keys, "ctrl- ")
            time.sleep(2)

    def answered(self) -> int:
        """How often the engine has answered."""
        return self.journal.read_text().count('"cancelled": false') if self.journal.exists() else 0

    def type(self, keys: Iterable[typist.Key]) -> None:
        """Type at the keys' own pace. Between two pauses the file is saved, to see that nothing hangs."""
        text, due = "", time.monotonic()
        for count, (key, pause, _) in enumerate(keys, 1):
            self.keyboard.press(key)
            text = text[:-1] if key == typist.BACKSPACE else text + key
            if count % typist.AT_ONCE == typist.AT_ONCE // 2:
                self.saves(text)
            due += pause
            time.sleep(max(0.0, due - time.monotonic()))

    def saves(self, text: str) -> None:
        """It saves this, and nothing else."""
        self.keyboard.press("ctrl-s")
        deadline = time.monotonic() + typist.PATIENCE
        while (saved := self.file.read_text()) != text:
            assert time.monotonic() < deadline, f"not {text!r}, but {saved!r}"
            time.sleep(0.01)

    def close(self) -> None:
        for process in (*psutil.Process(self.process.pid).children(recursive=True), self.process):
            process.kill()
        self.process.wait()


Start = Callable[..., Kate]


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Start a Kate: `start(text, **script)`. It is installed once, into pytest's cache."""
    if shutil.which("dbus-run-session") is None:
        pytest.skip("needs D-Bus")
    folder = request.config.cache.mkdir("kate")
    program = install_from_debian(folder, "trixie", "kate", "kate", "libqt6svg6", "qt6-qpa-plugins")
    with ExitStack() as ended:

        def start_kate(text: str, **script: Any) -> Kate:
            kate = Kate(program, tmp_path, text, **script)
            ended.callback(kate.close)
            kate.connect()
            ended.callback(kate.keyboard.close)
            return kate

        yield start_kate


def test_several_lines_are_accepted_from_the_menu(start: Start) -> None:
    kate = start(SOURCE, answer=ANSWER)
    kate.ask("ctrl-home", "down", "end")
    time.sleep(1)
    kate.keyboard.press("tab")
    time.sleep(1)
    kate.saves(SOURCE.replace("    \n", f"    {ANSWER}\n", 1))


def test_a_minute_of_ten_keys_a_second(start: Start) -> None:
    """Entries of its menu are not judged, but never get into the text, not by the Enter at a line's end
    either."""
    kate = start("", **typist.SCRIPT)
    kate.ask()
    kate.type(typist.keys())
    kate.saves(typist.TEXT)
    assert kate.answered() > 20, "hardly anything was offered"
