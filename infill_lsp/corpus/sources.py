"""Packages fetched from their registries and unpacked: names in, folders of files out.

Uses the registries' own clients (`pip`, `npm`, `apt-get`) as this machine has them set up, and runs
nothing that a package brings along. It judges neither licences nor files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infill_lsp.corpus.catalog import Package
from infill_lsp.corpus.licences import DebianCopyright, of_npm, of_wheel

TIMEOUT = 900
"""Seconds for one download."""


class FetchError(Exception):
    """A package could not be had. The message says why and what to do about it."""


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a package, unpacked."""

    name: str
    version: str
    licence: str
    """Of the package as a whole, as its metadata says."""
    root: Path
    files: tuple[str, ...]
    """Relative to `root`, with forward slashes, sorted."""
    licence_of: Callable[[str], str]
    """The licence of one file."""


def fetch(package: Package, folder: Path) -> Release:
    """Download and unpack into an empty folder. Raises FetchError."""
    try:
        return _FETCHERS[package.registry](package.name, folder)
    except (OSError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        cure = "run again, and take it off the list if that does not help"
        raise FetchError(f"{package.name}: cannot be unpacked ({error}); {cure}") from error


def _wheel(name: str, folder: Path) -> Release:
    # Wheels only: to unpack another kind of archive, pip would run what is in it.
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    _run([*pip, "--only-binary", ":all:", "--dest", ".", name], folder, name)
    archive = _only(folder, "*.whl", name)
    with zipfile.ZipFile(archive) as wheel:
        wheel.extractall(folder / "files")
    distribution, version = archive.name.split("-")[:2]
    metadata = _only(folder / "files", "*.dist-info/METADATA", name).read_text("utf-8")
    return _release(distribution, version, of_wheel(metadata), folder / "files")


def _npm(name: str, folder: Path) -> Release:
    _run(["npm", "pack", "--silent", "--ignore-scripts", name], folder, name)
    _unpack(_only(folder, "*.tgz", name), folder / "files")
    package_json = _only(folder / "files", "*/package.json", name)
    text = package_json.read_text("utf-8")
    version = str(json.loads(text).get("version", "?"))
    return _release(name, version, of_npm(text), package_json.parent)


def _debian(name: str, folder: Path) -> Release:
    """A binary package that holds sources, as those of Go and Rust do."""
    _run(["apt-get", "download", name], folder, name)
    archive = _only(folder, "*.deb", name)
    _run(["dpkg-deb", "-x", str(archive), "files"], folder, name)
    copyright_file = folder / "files/usr/share/doc" / name / "copyright"
    return _debian_release(name, archive.name.split("_")[1], copyright_file, folder / "files")


def _debian_source(name: str, folder: Path) -> Release:
    """A source package. Where its Debian part cannot be had (mirrors lose them), the copyright file
    of its first binary package says the same."""
    options = _source_lists(folder.parent / "apt")
    packaging = folder / "packaging"
    try:
        _run(["apt-get", *options, "source", "--download-only", name], folder, name)
        _unpack(_only(folder, "*.debian.tar.*", name), packaging)
        copyright_file = packaging / "debian/copyright"
    except FetchError:
        if not any(folder.glob("*.orig.tar.*")):
            raise
        binary = _first_binary(_only(folder, "*.dsc", name).read_text("utf-8"))
        _run(["apt-get", "download", binary], folder, name)
        _run(["dpkg-deb", "-x", str(_only(folder, "*.deb", name)), str(packaging)], folder, name)
        copyright_file = packaging / "usr/share/doc" / binary / "copyright"
    for archive in sorted(folder.glob("*.orig*.tar.*")):
        if archive.suffix != ".asc":
            _unpack(archive, folder / "files")
    version = _only(folder, "*.dsc", name).name.split("_")[1].removesuffix(".dsc")
    root = folder / "files"
    if len(inside := list(root.iterdir())) == 1 and inside[0].is_dir():
        root = inside[0]
    return _debian_release(name, version, copyright_file, root)


def _first_binary(description: str) -> str:
    found = re.search(r"^Binary:\s*([^,\s]+)", description, re.MULTILINE)
    return found[1] if found else ""


def _debian_release(name: str, version: str, copyright_file: Path, root: Path) -> Release:
    try:
        rights = DebianCopyright.parse(copyright_file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FetchError(f"{name}: {error}; take it off the list") from error
    licences = {licence: None for _, licence in rights.stanzas}
    return _release(name, version, " / ".join(licences), root, rights.licence_of)


def _release(
    name: str,
    version: str,
    licence: str,
    root: Path,
    licence_of: Callable[[str], str] | None = None,
) -> Release:
    files = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    return Release(name, version, licence, root, tuple(files), licence_of or (lambda _: licence))


def _source_lists(folder: Path) -> list[str]:
    """Options that make apt-get read source packages, from where this machine has its others."""
    lists = folder / "sources.sources"
    state = folder / "lists"
    options = ["-o", f"Dir::Etc::sourcelist={lists}", "-o", "Dir::Etc::sourceparts=-"]
    options += ["-o", f"Dir::State::lists={state}"]
    if not any(state.glob("*Sources*")):
        (state / "partial").mkdir(parents=True, exist_ok=True)
        known = sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))
        text = "\n\n".join(path.read_text() for path in known)
        lists.write_text(text.replace("Types: deb\n", "Types: deb-src\n"))
        _run(["apt-get", *options, "update"], folder, "the lists of source packages")
    return options


def _run(command: list[str], folder: Path, name: str) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        cure = "install it, or take the lists that need it out with --lists"
        raise FetchError(f"{name}: {command[0]} is not installed here; {cure}") from error
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"{name}: no answer in {TIMEOUT} s; run the same command again") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise FetchError(f"{name}: {last}; check its name and the network, then run again")


def _unpack(archive: Path, folder: Path) -> None:
    """Files only: links and devices hold no text. A path that leads outside is a ValueError."""
    # Not `extractall` with a filter: Python 3.11 has that from 3.11.4 on, and Debian 12 has 3.11.2.
    inside = folder.resolve()
    with tarfile.open(archive) as tar:
        for member in tar:
            target = (inside / member.name).resolve()
            if not target.is_relative_to(inside):
                raise ValueError(f"{member.name} leads outside")
            source = tar.extractfile(member) if member.isfile() else None
            if source is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                with source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)


def _only(folder: Path, pattern: str, name: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise FetchError(f"{name}: holds no {pattern}; take it off the list")
    return found[0]


_FETCHERS: dict[str, Callable[[str, Path], Release]] = {
    "pypi": _wheel,
    "npm": _npm,
    "debian": _debian,
    "debian-source": _debian_source,
}
