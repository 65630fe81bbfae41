"""What changed in a folder, for editors that do not tell: `watchfiles` over the folders that are read.

Each folder is watched by itself, not with all below it: nothing is spent on `node_modules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from watchfiles import watch as watch_folders

from infill_lsp.project.ignore import IgnoreRules
from infill_lsp.project.scan import folders

MOST_FOLDERS = 4000
"""Watched; beyond them, changes are seen when the folder is opened again."""


def watch(root: Path) -> Iterator[list[str]]:
    """Batches of paths that were made, changed or deleted, relative to `root`. Never ends."""
    while True:
        rules = IgnoreRules(root)
        watched = [root / folder for folder in folders(root, rules)][:MOST_FOLDERS]
        known = set(watched)
        for changes in watch_folders(*watched, recursive=False, raise_interrupt=False):
            paths = [Path(path) for _, path in changes]
            yield sorted(path.relative_to(root).as_posix() for path in paths)
            if any((path.is_dir() and not path.is_symlink()) != (path in known) for path in paths):
                break  # another set of folders
