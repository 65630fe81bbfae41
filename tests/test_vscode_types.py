"""The extension's TypeScript is well typed, by the compiler that builds it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

EXTENSION = Path(__file__).parent.parent / "editors" / "vscode"


def npm(*command: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("npm")
    if program is None:
        pytest.skip("needs Node.js")
    return subprocess.run([program, *command], cwd=EXTENSION, capture_output=True, text=True)


@pytest.mark.timeout(300)
def test_the_extension_is_well_typed() -> None:
    if not (EXTENSION / "node_modules").exists():
        fetched = npm("ci", "--silent", "--fetch-retries=0")
        if fetched.returncode != 0:
            pytest.skip("npm cannot fetch what the extension is built with")
    checked = npm("run", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
