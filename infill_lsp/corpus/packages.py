"""Step 1 of a corpus: each package becomes one file of documents and one report.

A package whose report is there is finished and is not touched again, so that the work can be
interrupted at any time. Knows nothing of copies or benchmarks, which need all packages.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infill_lsp.corpus.catalog import Package
from infill_lsp.corpus.documents import Document
from infill_lsp.corpus.reading import read_release
from infill_lsp.corpus.shards import read_documents, write_lines
from infill_lsp.corpus.sources import Release

FOLDER = "packages"
Fetch = Callable[[Package, Path], Release]
"""Puts a package into an empty folder; raises FetchError."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one package."""

    name: str
    version: str
    licence: str
    files: int
    dropped: dict[str, int]
    """Why files were not taken -> how many."""


def finished(package: Package, out: Path) -> Report | None:
    """The report of a package that was made before."""
    path = _report_path(package, out)
    return Report(**json.loads(path.read_text("utf-8"))) if path.is_file() else None


def make(package: Package, out: Path, fetch: Fetch) -> Report:
    """Fetch and read one package; `out` holds it when this returns. Raises FetchError."""
    path = _report_path(package, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = out / "work" / "package"
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
    folder.mkdir(parents=True)
    release = fetch(package, folder)
    dropped: Counter[str] = Counter()
    documents = read_release(release, package.folders, dropped)
    write_lines(_documents_path(path), (document.to_line() for document in documents))
    shutil.rmtree(folder)
    report = Report(
        release.name,
        release.version,
        release.licence,
        len(release.files),
        dict(sorted(dropped.items())),
    )
    _write_whole(path, asdict(report))  # last: it says that the documents are whole
    return report


def documents_of(package: Package, out: Path) -> Iterator[Document]:
    """The documents of a finished package."""
    return read_documents(_documents_path(_report_path(package, out)))


def _write_whole(path: Path, fields: dict[str, Any]) -> None:
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(json.dumps(fields, indent=1), "utf-8")
    unfinished.replace(path)


def _report_path(package: Package, out: Path) -> Path:
    return out / FOLDER / f"{package.key}.json"


def _documents_path(report_path: Path) -> Path:
    return report_path.with_suffix(".jsonl.xz")
