"""The extension `editors/vscode` in a real VS Code, in a browser, cut off from the network."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sessions import ROOT, SERVER

HERE = Path(__file__).parent
EXTENSION = ROOT / "editors" / "vscode"
QUIET = {
    "workbench.startupEditor": "none",
    "telemetry.telemetryLevel": "off",
    "chat.disableAIFeatures": True,
    "editor.inlineSuggest.enabled": True,
    "editor.quickSuggestions": {"other": "off"},
}

pytestmark = [pytest.mark.editor, pytest.mark.timeout(400)]


@pytest.fixture
def code_server(request: pytest.FixtureRequest) -> Path:
    """The folder that code-server was installed into, once, in pytest's cache."""
    folder = request.config.cache.mkdir("code-server")
    subprocess.run([HERE / "install_code_server.sh", folder, sys.executable], check=True)
    return Path(folder)


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium")
    return found


def test_ghost_text_is_accepted_and_the_menu_works(
    code_server: Path, chromium: str, tmp_path: Path
) -> None:
    node, program = code_server / "bin" / "node", code_server / "code-server/out/node/entry.js"
    environment = {
        **os.environ,
        "PATH": f"{code_server / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "EXTENSIONS_GALLERY": "{}",
    }
    workspace, data, extensions = (tmp_path / name for name in ("workspace", "data", "extensions"))
    workspace.mkdir()
    (workspace / "a.py").write_text("def add(a, b):\n    \n\n\nprint(add(1, 2))\n")
    server = tmp_path / "server"
    server.write_text(f"#!/bin/sh\nexec {shlex.join([*SERVER, '--stdio'])}\n")
    server.chmod(0o755)
    (data / "User").mkdir(parents=True)
    settings = {
        **QUIET,
        "infill-lsp.path": str(server),
        "infill.model": json.dumps({"answer": "otal = a + b"}),
    }
    (data / "User" / "settings.json").write_text(json.dumps(settings))

    if not (EXTENSION / "node_modules").exists():
        subprocess.run(["npm", "ci", "--silent"], check=True, cwd=EXTENSION, env=environment)
    packaged = tmp_path / "infill-lsp.vsix"
    package = ["npm", "run", "--silent", "package", "--", "--out", packaged]
    subprocess.run(package, check=True, cwd=EXTENSION, env=environment)
    folders = ["--user-data-dir", data, "--extensions-dir", extensions]
    install = [node, program, *folders, "--install-extension", packaged]
    subprocess.run(install, check=True, env=environment)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {
        "node": str(node),
        "codeServer": str(program),
        "chromium": chromium,
        "driver": str(code_server / "package.json"),
        "data": str(data),
        "extensions": str(extensions),
        "workspace": str(workspace),
        "port": port,
    }
    drive = shlex.join([str(node), str(HERE / "drive_vscode.mjs"), json.dumps(given)])
    alone = [
        "unshare",
        "--map-root-user",
        "--net",
        "sh",
        "-c",
        f"ip link set lo up && exec {drive}",
    ]
    driven = subprocess.run(
        alone, check=True, env=environment, stdout=subprocess.PIPE, text=True, timeout=300
    )
    seen: dict[str, Any] = json.loads(driven.stdout.splitlines()[-1])

    assert (workspace / "a.py").read_text().splitlines()[1] == "    total = a + b"
    assert seen["hosts"] == []
    chosen = json.loads((data / "User" / "settings.json").read_text())
    assert chosen["infill.disabledLanguages"] == ["python"]
