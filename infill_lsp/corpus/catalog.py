"""The lists of packages in `packages.toml`: which registry, which name, train or held out."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Package:
    """One line of the lists."""

    registry: str
    """`pypi`, `npm`, `debian` (packages that hold sources) or `debian-source`."""
    name: str
    held_out: bool
    folders: tuple[str, ...] = ()
    """Only files in these folders are read; none named: all."""

    @property
    def key(self) -> str:
        """A file name that belongs to this package alone."""
        return f"{self.registry}-{self.name.replace('/', '+')}"


def read_packages(path: Path | None = None) -> list[Package]:
    """The packages in the order of the file; held-out ones first, so that they win over copies."""
    source = (
        path.read_bytes() if path else files(__package__).joinpath("packages.toml").read_bytes()
    )
    tables = tomllib.loads(source.decode())
    packages = [
        Package(registry, name, held_out == "held_out", tuple(folders))
        for registry, lists in tables.items()
        for held_out, names in lists.items()
        for name, folders in _entries(names)
    ]
    return sorted(packages, key=lambda package: not package.held_out)


def _entries(names: list[str]) -> list[tuple[str, list[str]]]:
    return [
        (name, folders.split()) for name, _, folders in (entry.partition(": ") for entry in names)
    ]
