"""The texts behind paths: of the workspace, and of the packages that its environment has installed.

A path is relative to the workspace folder or to the folder of installed packages. What was read is
kept until the file changes.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from infill_lsp.grammars import language_for
from infill_lsp.project.confined import about_inside, is_file_inside, is_folder_inside
from infill_lsp.project.modules import Import
from infill_lsp.project.outline import Outline, outline_of
from infill_lsp.project.private import secret_lines
from infill_lsp.project.scan import read_source
from infill_lsp.project.secret_rules import Lines

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
        changed = _changed(self._root, path)
        return None if changed is None else _text(self._root, path, changed)

    def secrets(self, path: str) -> tuple[Lines, ...]:
        """The lines of a file of the workspace that look like they hold secrets."""
        changed = _changed(self._root, path)
        return () if changed is None else _secrets(self._root, path, changed)

    def installed(self, wanted: Import) -> list[str]:
        """The installed file that an import of Python means; empty when there is none."""
        for folder in self._packages:
            for path in wanted.paths:
                if path.endswith((".py", ".pyi")) and is_file_inside(folder, path):
                    return [path]
        return []

    def outline(self, path: str) -> Outline:
        """The outline of an installed file as it is now."""
        for folder in self._packages:
            if (changed := _changed(folder, path)) is not None:
                return _outline(folder, path, changed)
        return Outline()


def installed_packages(root: Path) -> tuple[Path, ...]:
    """The `site-packages` of the workspace's own Python environment, or of the active one.

    A workspace may not name a folder outside of it (by a link); the user's own environment may.
    """
    folders = [root / name for name in ENVIRONMENTS if is_folder_inside(root, name)]
    if (active := os.environ.get("VIRTUAL_ENV")) is not None:
        folders.append(Path(active))
    for folder in folders:
        if is_file_inside(folder, "pyvenv.cfg"):
            found = [*folder.glob("lib/python3*/site-packages"), *folder.glob("Lib/site-packages")]
            inside = [
                each
                for each in found
                if is_folder_inside(folder, each.relative_to(folder).as_posix())
            ]
            if inside:
                return tuple(inside[:1])
    return ()


def _changed(folder: Path, path: str) -> int | None:
    """When a file was changed, in nanoseconds; None where there is none."""
    about = about_inside(folder, path)
    return None if about is None else about.st_mtime_ns


@lru_cache(maxsize=64)
def _text(folder: Path, path: str, changed: int) -> str | None:
    return read_source(folder, path)


@lru_cache(maxsize=64)
def _secrets(folder: Path, path: str, changed: int) -> tuple[Lines, ...]:
    text = _text(folder, path, changed)
    return () if text is None else secret_lines(text, path)


@lru_cache(maxsize=512)
def _outline(folder: Path, path: str, changed: int) -> Outline:
    text = read_source(folder, path)
    name = path.rpartition("/")[2]
    return Outline() if text is None else outline_of(language_for("", name) or "", text)
