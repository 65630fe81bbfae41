"""Write a folder whole or not at all, whatever is in it.

The new folder is made beside the old one and then takes its name. When the program dies on the way,
the old one is still there: under its own name, or, for the blink between two renames, as `NAME.old`,
which `recover` puts back. (A power cut is another matter: nothing here waits for the disk.)
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from engine.request import EngineError


@contextmanager
def replaced_folder(folder: Path, ours: tuple[str, ...]) -> Iterator[Path]:
    """Yields an empty folder to fill, which becomes `folder` when the block ends well.

    ours: patterns of the file names that an older `folder` may hold. One that holds anything else
    is not replaced, so that a mistyped path cannot cost somebody their files: EngineError, as also
    for a full disk, missing permission and the like.
    """
    folder = folder.expanduser().resolve()
    new, old = _beside(folder, "new"), _beside(folder, "old")
    try:
        recover(folder)
        _check_ours(folder, ours)
        if new.exists():  # left by a program that died
            shutil.rmtree(new)
        new.mkdir(parents=True)
        try:
            yield new
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        if old.exists():
            shutil.rmtree(old)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise EngineError(
            f"Cannot write {folder}: {error.strerror or error}. Free some room, or choose another "
            "folder."
        ) from error


def recover(folder: Path) -> None:
    """Put the old folder back where a program died between the two renames."""
    folder = folder.expanduser().resolve()
    old = _beside(folder, "old")
    if old.is_dir() and not folder.exists():
        old.rename(folder)


def _beside(folder: Path, word: str) -> Path:
    return folder.with_name(f"{folder.name}.{word}")


def _check_ours(folder: Path, ours: tuple[str, ...]) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise EngineError(f"{folder} is a file. Choose another folder.")
    for path in sorted(folder.iterdir()):
        if path.is_dir() or not any(fnmatch(path.name, pattern) for pattern in ours):
            raise EngineError(
                f"{folder} would be replaced, but it holds {path.name!r}, which was not written "
                "here. Choose an empty or a new folder."
            )
