"""Where a measurement comes from: what must stand beside every number that is written down."""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path


def commit() -> str | None:
    """The commit that runs, `-dirty` with changes. None for an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def versions(*packages: str) -> dict[str, str]:
    """Each package's installed version."""
    return {name: importlib.metadata.version(name) for name in packages}
