"""Writing a workspace, and reading all of it."""

from __future__ import annotations

from pathlib import Path

from infill_lsp.project.project import Project


def write(root: Path, files: dict[str, str]) -> None:
    """Paths and their texts, below `root`."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")


def read_all(project: Project) -> None:
    """Until there is nothing more to read."""
    while project.work():
        pass
