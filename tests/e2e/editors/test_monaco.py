"""Monaco on a page, with `editors/monaco` and a server on a WebSocket."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typist
from code_server import CodeServer
from neovim import HERE
from sessions import ROOT, listening

PACKAGES = ("monaco-editor@0.57.0", "esbuild@0.28.2")
AS_TYPED = {
    "autoClosingBrackets": "never",
    "autoClosingQuotes": "never",
    "autoIndent": "none",
    "quickSuggestions": False,
}

pytestmark = [pytest.mark.editor, pytest.mark.timeout(600)]


@pytest.fixture
def packages(request: pytest.FixtureRequest, code_server: CodeServer) -> Path:
    """Where npm has put Monaco and a bundler, once."""
    folder = Path(request.config.cache.mkdir("monaco"))
    if not (folder / "node_modules" / "monaco-editor").exists():
        (folder / "package.json").write_text('{ "private": true }')
        code_server.run("npm", "install", "--silent", "--ignore-scripts", *PACKAGES, cwd=folder)
    return folder


TOKEN = "a-token-of-this-test"


@pytest.fixture
def page_port() -> int:
    """Where the page will be, so that the server can be told of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def address(page_port: int) -> Iterator[str]:
    """Of a server with the fake engine."""
    page = f"http://127.0.0.1:{page_port}"
    for host, port in listening("--ws", "--token", TOKEN, "--allow-origin", page):
        yield f"ws://{host}:{port}"


Drive = Callable[..., str]


@pytest.fixture
def drive(code_server: CodeServer, packages: Path, address: str, page_port: int) -> Drive:
    """Do what `drive_monaco.mjs` has under this name: `drive(scenario, script)`. The text at the end."""

    def run(scenario: str, script: dict[str, Any], **more: Any) -> str:
        given = {
            "scenario": scenario,
            "chromium": code_server.chromium,
            "driver": code_server.driver,
            "packages": str(packages),
            "plugin": str(ROOT / "editors" / "monaco" / "infill.js"),
            "folder": str(code_server.folder),
            "address": address,
            "token": TOKEN,
            "port": page_port,
            "model": json.dumps(script),
            "options": {},
            "text": "",
            **more,
        }
        code_server.run(code_server.node, str(HERE / "drive_monaco.mjs"), json.dumps(given))
        return (code_server.folder / "a.py").read_text()

    return run


def test_grey_text_is_shown_and_accepted(drive: Drive) -> None:
    rest, before = "otal = a + b", "def add(a, b):\n    "
    assert drive("accept", {"answer": rest}, text=before, ghost=rest) == f"{before}t{rest}"


def test_a_minute_of_ten_keys_a_second(drive: Drive, tmp_path: Path) -> None:
    written = drive("type", typist.SCRIPT, keys=list(typist.keys()), options=AS_TYPED)
    screens = json.loads((tmp_path / "screens.json").read_text())
    typist.check([typist.Screen(**screen) for screen in screens], indents=True)
    assert written == typist.TEXT
