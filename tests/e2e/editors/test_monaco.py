"""Monaco on a page, with `editors/monaco` and a server on a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from code_server import CodeServer
from neovim import HERE
from sessions import ROOT, listening

PACKAGES = ("monaco-editor@0.57.0", "esbuild@0.28.2")

pytestmark = [pytest.mark.editor, pytest.mark.timeout(600)]


@pytest.fixture
def packages(request: pytest.FixtureRequest, code_server: CodeServer) -> Path:
    """Where npm has put Monaco and a bundler, once."""
    folder = Path(request.config.cache.mkdir("monaco"))
    if not (folder / "node_modules" / "monaco-editor").exists():
        (folder / "package.json").write_text('{ "private": true }')
        code_server.run("npm", "install", "--silent", "--ignore-scripts", *PACKAGES, cwd=folder)
    return folder


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """(host, port) of a server with the fake engine."""
    yield from listening("--ws")


def test_grey_text_is_shown_and_accepted(
    code_server: CodeServer, packages: Path, server: tuple[str, int]
) -> None:
    given = {
        "chromium": code_server.chromium,
        "driver": code_server.driver,
        "packages": str(packages),
        "plugin": str(ROOT / "editors" / "monaco" / "infill.js"),
        "folder": str(code_server.folder),
        "address": "ws://{}:{}".format(*server),
        "model": json.dumps({"answer": "otal = a + b"}),
        "ghost": "otal = a + b",
    }
    code_server.run(code_server.node, str(HERE / "drive_monaco.mjs"), json.dumps(given))
    written = (code_server.folder / "a.py").read_text()
    assert written == "def add(a, b):\n    total = a + b"
