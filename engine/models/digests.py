"""Whether a model's files are what was written: SHA-256 of each, in `SHA256SUMS` beside them.

safetensors looks at a file's head only; damage within the weights loads, and writes nonsense. A file is
read once for each time that it changed: what was found right is remembered in the user's cache folder.
`sha256sum -c SHA256SUMS` says the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from engine.models.catalog import known_models

MANIFEST = "SHA256SUMS"
CHECKED = ("*.safetensors", "config.json", "tokenizer.json")
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")
_CHUNK = 1 << 20


def write_digests(folder: Path, digests: Mapping[str, str] | None = None) -> None:
    """Write a folder's manifest. digests: by file, where they are known from elsewhere; None: of the files
    as they are now."""
    if digests is None:
        files = sorted({path for pattern in CHECKED for path in folder.glob(pattern)})
        digests = {path.name: _sha256(path) for path in files}
    lines = (f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")


def damaged_files(model: str) -> tuple[str, ...]:
    """The files of a known model, or of a folder, that are not what its manifest says; empty where there
    is no manifest. Reads whole files, at the disk's pace."""
    known = {each.name: each.path for each in known_models()}
    folder = known.get(model) or Path(model)
    wanted = _manifest(folder)
    if not wanted:
        return ()
    right = _Remembered()
    damaged = []
    for name, digest in wanted.items():
        path = folder / name
        try:
            if not right.has(path, digest):
                if _sha256(path) == digest:
                    right.add(path, digest)
                else:
                    damaged.append(name)
        except OSError:
            damaged.append(name)
    right.save()
    return tuple(damaged)


def _manifest(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    found = (_LINE.fullmatch(line) for line in lines)
    return {each[2]: each[1] for each in found if each is not None and "/" not in each[2]}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class _Remembered:
    """Files that were right, by path, size and time of change."""

    def __init__(self) -> None:
        import platformdirs  # only where the user's own folders are meant

        folder = Path(platformdirs.user_cache_dir("infill-lsp", appauthor=False))
        self._path = folder / "checked.json"
        self._changed = False
        try:
            read = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            read = {}
        self._entries: dict[str, object] = read if isinstance(read, dict) else {}

    def has(self, path: Path, digest: str) -> bool:
        return self._entries.get(str(path)) == _state(path, digest)

    def add(self, path: Path, digest: str) -> None:
        self._entries[str(path)] = _state(path, digest)
        self._changed = True

    def save(self) -> None:
        """Best effort: without it the files are read again."""
        if not self._changed:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps(self._entries), encoding="utf-8")
            part.replace(self._path)


def _state(path: Path, digest: str) -> list[object]:
    about = path.stat()
    return [about.st_size, about.st_mtime_ns, digest]
