"""Which files of a folder are worth reading: source by its name, not ignored, private or huge."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from infill_lsp.grammars import GRAMMARS, language_for
from infill_lsp.project.confined import about_inside, names_of, read_inside
from infill_lsp.project.ignore import IgnoreRules
from infill_lsp.project.private import is_private

LARGEST_FILE = 200_000
"""Bytes. Larger ones are mostly data or made by programs, and slow to parse."""
MOST_FILES = 20_000


def refusal(root: Path) -> str | None:
    """Why a folder is not scanned at all; None when it may be."""
    root = root.resolve()
    try:
        home = Path.home().resolve()
    except RuntimeError:  # nobody knows one
        home = None
    if not root.is_dir():
        return f"{root.name} is not a folder"
    if home is not None and (root == home or root in home.parents):
        return "the home folder and what is above it are not read; open a project's folder"
    return None


def source_files(root: Path, rules: IgnoreRules) -> Iterator[str]:
    """Paths relative to `root`, with forward slashes, shallow folders first; at most
    `MOST_FILES`. Links are not followed."""
    found = (
        path
        for folder in folders(root, rules)
        for entry in _entries(root / folder)
        if entry.is_file(follow_symlinks=False) and wanted(path := _join(folder, entry.name), rules)
    )
    return islice(found, MOST_FILES)


def folders(root: Path, rules: IgnoreRules) -> Iterator[str]:
    """The folders that are read, `root` itself (as an empty path) first."""
    waiting = [""]
    for folder in waiting:  # grows while it is walked
        yield folder
        for entry in _entries(root / folder):
            path = _join(folder, entry.name)
            if (
                entry.is_dir(follow_symlinks=False)
                and rules.reason(path, folder=True) is None
                and about_inside(root, f"{path}/pyvenv.cfg") is None
            ):
                waiting.append(path)


def wanted(path: str, rules: IgnoreRules) -> bool:
    """Whether a file, by its path alone, belongs into the index."""
    language = language_for("", path)
    return (
        language is not None
        and not GRAMMARS[language].prose
        and names_of(path) is not None
        and not is_private(path)
        and rules.reason(path) is None
    )  # fmt: skip


def read_source(folder: Path, path: str) -> str | None:
    """The text of a file in a folder, with `\\n` line ends; None where it is no readable source of a
    fit size, or not inside."""
    data = read_inside(folder, path, LARGEST_FILE)
    if data is None or b"\0" in data:
        return None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
