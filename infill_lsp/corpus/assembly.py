"""Steps 2 to 4 of a corpus: out with copies and benchmarks, then shards and the manifest.

Reads what step 1 left. Held-out packages must come first: of two copies the first one stays, so
that nothing like a held-out text is trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from infill_lsp.corpus import packages
from infill_lsp.corpus.catalog import Package
from infill_lsp.corpus.contamination import Benchmarks
from infill_lsp.corpus.documents import Document
from infill_lsp.corpus.duplicates import Copies
from infill_lsp.corpus.shards import write_shards
from infill_lsp.corpus.words import word_hashes

MANIFEST = "manifest.json"
COPY = "copy"
BENCHMARK = "benchmark"


class Assembly:
    """A corpus as it grows, one finished package at a time. All its text is held in memory."""

    def __init__(self, benchmarks: Benchmarks, count_tokens: Callable[[str], int]) -> None:
        self._benchmarks = benchmarks
        self._count_tokens = count_tokens
        self._copies = Copies()
        self._lines: dict[str, list[tuple[bytes, bytes]]] = {"train": [], "heldout": []}
        self._rows: list[dict[str, Any]] = []

    def add(self, package: Package, out: Path) -> None:
        """Take from a finished package what is neither copy nor benchmark."""
        report = packages.finished(package, out)
        assert report is not None, f"{package.key} is not finished"
        name = "heldout" if package.held_out else "train"
        dropped = Counter(report.dropped)
        counts: Counter[str] = Counter(documents=0, bytes=0)
        languages: Counter[str] = Counter()
        for document in packages.documents_of(package, out):
            if why := self._why_not(document):
                dropped[why] += 1
                continue
            line = document.to_line()
            self._lines[name].append((hashlib.sha256(line).digest(), line))
            size = len(document.text.encode())
            counts.update(documents=1, bytes=size, tokens=self._count_tokens(document.text))
            languages[document.language] += size
        self._rows.append(
            {
                "package": report.name,
                "version": report.version,
                "registry": package.registry,
                "licence": report.licence,
                "held_out": package.held_out,
                "files": report.files,
                **counts,
                "languages": dict(languages.most_common()),
                "dropped": dict(sorted(dropped.items())),
            }
        )

    def write(self, out: Path, failed: Iterable[str] = ()) -> dict[str, Any]:
        """Write shards and manifest; the manifest. Documents stand in an order without a pattern,
        the same for the same packages."""
        shards = [
            path.name
            for name, lines in self._lines.items()
            for path in write_shards(out, name, (line for _, line in sorted(lines)))
        ]
        manifest = {
            "shards": shards,
            "train": self._total(held_out=False),
            "heldout": self._total(held_out=True),
            "benchmark_problem_runs": len(self._benchmarks.runs),
            "failed": list(failed),
            "packages": self._rows,
        }
        unfinished = out / f".{MANIFEST}"
        unfinished.write_text(json.dumps(manifest, indent=1), "utf-8")
        unfinished.replace(out / MANIFEST)
        return manifest

    def _why_not(self, document: Document) -> str | None:
        words = word_hashes(document.text)
        if self._benchmarks.are_in(document.text, words):
            return BENCHMARK
        return COPY if self._copies.has(words) else None

    def _total(self, *, held_out: bool) -> dict[str, Any]:
        rows = [row for row in self._rows if row["held_out"] == held_out]
        total: Counter[str] = Counter()
        languages: Counter[str] = Counter()
        dropped: Counter[str] = Counter()
        for row in rows:
            total.update({name: row[name] for name in _SUMMED if name in row})
            languages.update(row["languages"])
            dropped.update(row["dropped"])
        return {
            "packages": len(rows),
            **total,
            "languages": dict(languages.most_common()),
            "dropped": dict(dropped.most_common()),
        }


_SUMMED = ("files", "documents", "bytes", "tokens")
