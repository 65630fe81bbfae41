"""The texts behind paths: of the workspace, and of the packages that its environment has installed.

A path is relative to the workspace folder or, where nothing is there, to the folder of installed
packages. What was read is kept until the file changes.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from infill_lsp.documents import parse
from infill_lsp.grammars import language_for
from infill_lsp.project.modules import Import, imports_of
from infill_lsp.project.scan import read_source
from infill_lsp.project.symbols import Symbol, symbols_of
from infill_lsp.syntax import imports

ENVIRONMENTS = (".venv", "venv", "env")
"""Folders of a workspace in which Python packages are looked for."""


class Files:
    """Reads what the index does not keep."""

    def __init__(self, root: Path, packages: tuple[Path, ...] | None = None) -> None:
        """packages: folders of installed packages; None: found in the workspace's environment."""
        self._root = root
        self._packages = installed_packages(root) if packages is None else packages

    def read(self, path: str) -> str | None:
        """The file's text; None when it cannot be read or is no source of a fit size."""
        found = self._find(path)
        return None if found is None else _text(found[0], found[1])

    def resolve(self, wanted: Import) -> str | None:
        """The installed file that an import of Python means; None when there is none."""
        if not wanted.anywhere:
            return None
        for folder in self._packages:
            for path in wanted.paths:
                if path.endswith((".py", ".pyi")) and (folder / path).is_file():
                    return path
        return None

    def symbols(self, path: str) -> list[Symbol]:
        """What a file defines, by its text as it is now."""
        found = self._find(path)
        return [] if found is None else list(_symbols(*found, language_for("", path) or ""))

    def imports(self, path: str) -> list[Import]:
        """What a file imports."""
        found = self._find(path)
        language = language_for("", path) or ""
        return [] if found is None else imports_of(language, _statements(*found, language), path)

    def _find(self, path: str) -> tuple[Path, int] | None:
        """Where it is, and when it was changed."""
        for folder in (self._root, *self._packages):
            try:
                return folder / path, (folder / path).stat().st_mtime_ns
            except OSError:
                continue
        return None


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


@lru_cache(maxsize=64)
def _text(path: Path, changed: int) -> str | None:
    return read_source(path)


@lru_cache(maxsize=256)
def _symbols(path: Path, changed: int, language: str) -> tuple[Symbol, ...]:
    text = _text(path, changed)
    return symbols_of(language, text) if text is not None else ()


@lru_cache(maxsize=256)
def _statements(path: Path, changed: int, language: str) -> tuple[str, ...]:
    text = _text(path, changed)
    tree = parse(language, text) if text is not None and language else None
    return imports(tree, text, language) if tree is not None and text is not None else ()
