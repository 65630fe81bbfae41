"""The lists of packages in `packages.toml`: which registry, which name, train or held out."""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

REGISTRIES = ("pypi", "npm", "debian", "debian-source")
_LISTS = ("held_out", "train")


@dataclass(frozen=True, slots=True)
class Package:
    """One entry of the lists."""

    registry: str
    """One of `REGISTRIES`; `debian` has packages that hold sources, as those of Go and Rust do."""
    name: str
    held_out: bool
    folders: tuple[str, ...] = ()
    """Only files in these folders are read; none named: all."""

    @property
    def key(self) -> str:
        """A file name that belongs to this package alone."""
        return f"{self.registry}-{self.name.replace('/', '+')}"


def read_packages(path: Path | None = None) -> list[Package]:
    """All packages, held-out ones first, so that copies of them come later. Otherwise in an order
    without a pattern, always the same: the first few are a mix of languages.

    Raises OSError or ValueError, which says what the file should hold.
    """
    source = path or files(__package__).joinpath("packages.toml")
    try:
        tables = tomllib.loads(source.read_text("utf-8"))
        packages = [
            package
            for registry, lists in tables.items()
            for name, entries in lists.items()
            for package in _entries(registry, name, entries)
        ]
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{source}: {error}") from error
    if doubles := [key for key, count in Counter(p.key for p in packages).items() if count > 1]:
        raise ValueError(f"{source}: listed twice: {', '.join(doubles)}")
    return sorted(packages, key=lambda package: (not package.held_out, _shuffled(package)))


def _shuffled(package: Package) -> bytes:
    return hashlib.sha256(package.key.encode()).digest()


def _entries(registry: str, name: str, entries: list[Any]) -> list[Package]:
    if registry not in REGISTRIES:
        raise ValueError(f"[{registry}] is none of {', '.join(REGISTRIES)}")
    if name not in _LISTS:
        raise ValueError(f"[{registry}] {name} is none of {', '.join(_LISTS)}")
    parts = [entry.partition(": ") for entry in entries]
    return [
        Package(registry, package, name == "held_out", tuple(folders.split()))
        for package, _, folders in parts
    ]
