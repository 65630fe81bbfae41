"""A small workspace in a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from workspace_files import read_all, write

from infill_lsp.project.project import Project


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """`make_project({"a.py": "..."})`: the files written and read."""

    def make(files: dict[str, str], packages: tuple[Path, ...] = ()) -> Project:
        write(tmp_path, files)
        project = Project(tmp_path, packages)
        read_all(project)
        return project

    return make
