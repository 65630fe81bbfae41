"""Ghost text in a real Neovim 0.12, with its own LSP client and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sessions import SERVER

HERE = Path(__file__).parent
INFILL_LSP = [str(Path(sys.executable).parent / "infill-lsp")]
SOURCE = "def add(a, b):\n    \n\n\nprint(add(1, 2))\n"

pytestmark = [pytest.mark.editor, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> str:
    """Neovim 0.12: $NVIM, or installed once into pytest's cache."""
    if "NVIM" in os.environ:
        return os.environ["NVIM"]
    folder = request.config.cache.mkdir("neovim-0.12")
    installed = subprocess.run(
        [str(HERE / "install_neovim.sh"), str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return installed.stdout.splitlines()[-1]


class Neovim:
    """A headless Neovim that is sent keys and asked how it is."""

    def __init__(
        self, program: str, folder: Path, command: list[str], options: dict[str, Any]
    ) -> None:
        self._program, self._socket = program, str(folder / "socket")
        self.file = folder / "a.py"
        self.file.write_text(SOURCE)
        runtime = Path(program).parents[1] / "share" / "nvim" / "runtime"
        places = {"VIMRUNTIME": str(runtime)} if runtime.is_dir() else {}
        self._environment = {
            **os.environ,
            **places,
            **{f"XDG_{kind}_HOME": str(folder) for kind in ("CONFIG", "DATA", "STATE", "CACHE")},
            "INFILL_COMMAND": json.dumps(command),
            "INFILL_OPTIONS": json.dumps(options),
        }
        self.process = subprocess.Popen(
            [
                program,
                "--headless",
                "-u",
                str(HERE / "init.lua"),
                "--listen",
                self._socket,
                "-n",
                str(self.file),
            ],
            env=self._environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while not Path(self._socket).exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _remote(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, "--server", self._socket, *arguments],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=20,
        )
        return done.stdout

    def keys(self, keys: str) -> None:
        self._remote("--remote-send", keys)

    def report(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._remote("--remote-expr", "v:lua.Report()"))
        return answer

    def wait(
        self, for_what: Callable[[dict[str, Any]], Any], seconds: float = 30
    ) -> dict[str, Any]:
        """Ask again and again until the report is as wanted."""
        deadline = time.monotonic() + seconds
        while not for_what(report := self.report()):
            assert time.monotonic() < deadline, report
            time.sleep(0.02)
        return report


Start = Callable[[list[str], dict[str, Any]], Neovim]


@pytest.fixture
def start(program: str, tmp_path: Path) -> Iterator[Start]:
    started: list[Neovim] = []

    def start_neovim(command: list[str], options: dict[str, Any]) -> Neovim:
        started.append(Neovim(program, tmp_path, command, options))
        return started[-1]

    yield start_neovim
    for neovim in started:
        neovim.process.kill()
        neovim.process.wait()


def test_ghost_text_typed_through_and_accepted(start: Start, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    script = {"answer": "total = a + b\n    return total", "journal": str(journal)}
    neovim = start([*SERVER, "--stdio"], {"infill": {"model": json.dumps(script)}})
    neovim.wait(lambda report: report["attached"])
    neovim.wait(lambda report: report["status"] and report["status"]["message"] == "fake on cpu")

    neovim.keys("jA")
    report = neovim.wait(lambda report: report["ghost"])
    assert report["mode"] == "i"
    assert report["ghost"] == "total = a + b\n    return total"
    answered = report["answered"]

    neovim.keys("tot")
    report = neovim.wait(lambda report: report["answered"] > answered)
    assert report["ghost"] == "al = a + b\n    return total"
    assert sum('"request"' in line for line in journal.read_text().splitlines()) == 1

    neovim.keys("<Tab>")
    report = neovim.wait(lambda report: "    return total" in report["lines"])
    assert report["lines"][:3] == ["def add(a, b):", "    total = a + b", "    return total"]

    log = Path(report["log"])
    neovim.keys("<Esc>:qa!<CR>")
    neovim.process.wait(20)
    assert "[ERROR]" not in (log.read_text() if log.exists() else "")


def test_fast_typing_leaves_no_stale_text_and_no_error(start: Start) -> None:
    """Neovim sends each request without cancelling the one before; the server does."""
    script = {"answer": "a + b", "steps": 10, "step_seconds": 0.05}
    neovim = start([*SERVER, "--stdio"], {"infill": {"model": json.dumps(script)}})
    neovim.wait(lambda report: report["status"] and report["status"]["message"] == "fake on cpu")
    neovim.keys("jA")
    for letter in "result = ":
        neovim.keys(letter)
        time.sleep(0.25)  # longer than Neovim's own debounce, shorter than the engine
    report = neovim.wait(lambda report: report["ghost"])
    assert report["ghost"] == "a + b"
    log = Path(report["log"])
    neovim.keys("<Esc>:qa!<CR>")
    neovim.process.wait(20)
    assert "[ERROR]" not in (log.read_text() if log.exists() else "")


def test_with_the_bundled_model(start: Start) -> None:
    neovim = start(INFILL_LSP, {"infill": {"deadlineMs": 20_000}})
    ready = neovim.wait(lambda report: report["status"] and not report["status"]["busy"], 60)
    assert ready["status"]["kind"] == "Normal", ready["status"]
    neovim.keys("jAreturn ")
    shown = neovim.wait(lambda report: report["ghost"], 60)["ghost"]
    neovim.keys("<Tab>")
    first = shown.split("\n")[0]
    report = neovim.wait(lambda report: report["lines"][1] == f"    return {first}")
    assert report["ghost"] != shown
