"""The one door through which a folder's files are read: only what lies inside, only regular files.

A cloned repository decides what its paths are, and may change them while they are read: links to
other places, FIFOs that never answer, endless devices, huge files. So a path is walked name by name
from the folder's own descriptor and no link is followed on the way (`openat` with `O_NOFOLLOW`),
nothing is waited for (`O_NONBLOCK`), and what was opened is looked at before a byte is read.

Where a system has no such calls (Windows), the path is resolved and compared with the folder first.
Paths are relative to the folder, with forward slashes, as in `scan`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_PATH = 4096
"""Characters; no file has a longer path."""
_DESCRIPTORS = os.open in os.supports_dir_fd
_QUIET = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def names_of(path: str) -> list[str] | None:
    """The names along a relative path; None for one that leaves its folder or that no file has.

    The empty path is the folder itself.
    """
    if len(path) > LONGEST_PATH or "\0" in path:
        return None
    names = path.split("/") if path else []
    if any(name in ("", ".", "..") for name in names):
        return None
    if any("\ud800" <= letter <= "\udfff" for letter in path):  # a name that is not UTF-8
        return None
    if os.name == "nt" and any(set(name) & set('\\:*?"<>|') for name in names):
        return None
    return names


def read_inside(folder: Path, path: str, most: int) -> bytes | None:
    """A regular file's bytes; None for any other, for one outside, and for more than `most` bytes."""
    with _opened(folder, path) as file:
        if file is None:
            return None
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or about.st_size > most:
            return None
        with open(file, "rb", closefd=False) as opened:
            try:
                data = opened.read(most + 1)
            except OSError:
                return None
        return data if len(data) <= most else None  # it may have grown meanwhile


def about_inside(folder: Path, path: str) -> os.stat_result | None:
    """What is known of a file or folder; None for links, for what is outside, and where is nothing."""
    with _opened(folder, path) as file:
        return None if file is None else os.fstat(file)


def is_file_inside(folder: Path, path: str) -> bool:
    """Whether there is a regular file."""
    about = about_inside(folder, path)
    return about is not None and stat.S_ISREG(about.st_mode)


def is_folder_inside(folder: Path, path: str) -> bool:
    """Whether there is a folder."""
    about = about_inside(folder, path)
    return about is not None and stat.S_ISDIR(about.st_mode)


@contextmanager
def _opened(folder: Path, path: str) -> Iterator[int | None]:
    """A descriptor of what the path names, whatever its kind; None where it must not be opened."""
    names = names_of(path)
    file = None if names is None else _open(folder, names)
    try:
        yield file
    finally:
        if file is not None:
            os.close(file)


def _open(folder: Path, names: list[str]) -> int | None:
    try:
        if not _DESCRIPTORS:
            return _open_resolved(folder, names)
        # The folder itself may be a link: the user has opened it.
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | getattr(os, "O_CLOEXEC", 0))
        for at, name in enumerate(names):
            kind = os.O_DIRECTORY if at + 1 < len(names) else 0
            above = here
            try:
                here = os.open(name, os.O_RDONLY | _QUIET | kind, dir_fd=above)
            finally:
                os.close(above)
        return here
    except (OSError, ValueError):  # ValueError: a name that this system cannot write
        return None


def _open_resolved(folder: Path, names: list[str]) -> int | None:
    place = folder.resolve(strict=True)
    found = place.joinpath(*names)
    if found.resolve(strict=True) != found or not found.is_file():
        return None
    return os.open(found, os.O_RDONLY | getattr(os, "O_BINARY", 0))
