"""The Python sources of a machine as packages: its standard library and what is installed.

Nothing is downloaded and nothing is copied; licences come from the same metadata as a wheel's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from infill_lsp.corpus.catalog import Package
from infill_lsp.corpus.licences import of_wheel
from infill_lsp.corpus.sources import Release

REGISTRY = "machine"


def installed(folder: Path) -> Iterator[tuple[Package, Release]]:
    """What a `site-packages` or `lib/python3.N` folder holds, sorted by name.

    A package whose metadata does not list its files is left out.
    """
    if (folder / "os.py").is_file():
        yield _standard_library(folder)
    for metadata in sorted(folder.glob("*.dist-info/METADATA")):
        name, _, version = metadata.parent.name.removesuffix(".dist-info").rpartition("-")
        record = metadata.with_name("RECORD")
        if not record.is_file():
            continue
        listed = (line.split(",", 1)[0] for line in record.read_text("utf-8").splitlines())
        files = sorted(
            path for path in listed if ".." not in path.split("/") and (folder / path).is_file()
        )
        licence = of_wheel(metadata.read_text("utf-8"))
        yield _pair(name, version, licence, folder, tuple(files))


def normalised(name: str) -> str:
    """A Python package's name, however it is written."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _standard_library(folder: Path) -> tuple[Package, Release]:
    text = folder / "LICENSE.txt"
    is_known = text.is_file() and "PYTHON SOFTWARE FOUNDATION LICENSE" in text.read_text("utf-8")
    files = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if "site-packages" not in path.parts and "dist-packages" not in path.parts
    )
    version = folder.name.removeprefix("python")
    return _pair("python", version, "PSF-2.0" if is_known else "", folder, tuple(files))


def _pair(
    name: str, version: str, licence: str, root: Path, files: tuple[str, ...]
) -> tuple[Package, Release]:
    release = Release(name, version, licence, root, files, lambda _: licence)
    return Package(REGISTRY, normalised(name), held_out=False), release
