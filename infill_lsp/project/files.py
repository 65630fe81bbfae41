"""The texts behind paths: of the workspace, and of the packages that its environment has installed.

A path is relative to the workspace folder or to the folder of installed packages. What was read is
kept until the file changes.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from infill_lsp.grammars import language_for
from infill_lsp.project.modules import Import
from infill_lsp.project.outline import Outline, outline_of
from infill_lsp.project.scan import read_source

ENVIRONMENTS = (".venv", "venv", "env")
"""Folders of a workspace in which Python packages are looked for."""


class Files:
    """Reads what the index does not keep."""

    def __init__(self, root: Path, packages: tuple[Path, ...] | None = None) -> None:
        """packages: folders of installed packages; None: found in the workspace's environment."""
        self._root = root
        self._packages = installed_packages(root) if packages is None else packages

    def read(self, path: str) -> str | None:
        """The text of a file of the workspace; None when it cannot be read or is no source of a
        fit size."""
        changed = _changed(self._root / path)
        return None if changed is None else _text(self._root / path, changed)

    def installed(self, wanted: Import) -> list[str]:
        """The installed file that an import of Python means; empty when there is none."""
        for folder in self._packages:
            for path in wanted.paths:
                if path.endswith((".py", ".pyi")) and (folder / path).is_file():
                    return [path]
        return []

    def outline(self, path: str) -> Outline:
        """The outline of an installed file as it is now."""
        for folder in self._packages:
            if (changed := _changed(folder / path)) is not None:
                return _outline(folder / path, changed)
        return Outline()


def installed_packages(root: Path) -> tuple[Path, ...]:
    """The `site-packages` of the workspace's own Python environment."""
    folders = [root / name for name in ENVIRONMENTS]
    if (active := os.environ.get("VIRTUAL_ENV")) is not None:
        folders.append(Path(active))
    for folder in folders:
        if (folder / "pyvenv.cfg").is_file():
            found = [*folder.glob("lib/python3*/site-packages"), *folder.glob("Lib/site-packages")]
            if found:
                return tuple(found[:1])
    return ()


def _changed(path: Path) -> int | None:
    """When a file was changed, in nanoseconds; None where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=64)
def _text(path: Path, changed: int) -> str | None:
    return read_source(path)


@lru_cache(maxsize=512)
def _outline(path: Path, changed: int) -> Outline:
    text = read_source(path)
    return Outline() if text is None else outline_of(language_for("", path.name) or "", text)
