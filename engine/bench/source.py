"""Real code to measure with, and which commit measures."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path


def standard_library(lines: int) -> str:
    """That many lines of real code: modules of the standard library, one after another."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    text: list[str] = []
    for path in sorted(folder.glob("*.py")):
        text += path.read_text("utf-8", errors="ignore").splitlines(keepends=True)
        if len(text) >= lines:
            break
    return "".join(text[:lines])


def commit() -> str | None:
    """The commit that runs, `-dirty` with changes. None for an installed package, or a copy."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
