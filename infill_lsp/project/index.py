"""What a workspace's files define and which words stand where, in an in-memory SQLite database.

SQLite because it is small where Python's own objects are not, takes single files in and out, and its
FTS5 ranks by BM25. For 5,000 files it takes about 40 MB and answers in milliseconds; bm25s answers in
one, but takes five times as much and has to be built anew for every change. Nothing is written to
disk. Used from one thread.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from infill_lsp.project.modules import Import
from infill_lsp.project.symbols import Symbol, symbols_of

REGION = 24
"""Lines of a region, the unit that similarity is looked for in."""
MOST_POSTINGS = 700
"""Regions that the words of a question may stand in together: its rarest words come first."""
MOST_WORDS = 16
LOOKED_AT = 40
"""Regions ranked beyond those asked for, since some are of the file itself or of older versions."""
_REGIONS = 1 << 16
"""A region's row is its file's id times this, and its number in the file."""

WORD = re.compile(r"[A-Za-z_]\w{2,}")
_SCHEMA = """
    CREATE TABLE files (
        id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT UNIQUE, name TEXT, language TEXT);
    CREATE INDEX files_by_name ON files (name);
    CREATE TABLE symbols (name TEXT, file INTEGER, line INTEGER, owner TEXT, signature TEXT);
    CREATE INDEX symbols_by_name ON symbols (name);
    CREATE INDEX symbols_by_file ON symbols (file);
"""
_WORDS = """
    CREATE VIRTUAL TABLE words USING fts5 (
        text, content='', tokenize="unicode61 tokenchars '_'");
    CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row);
"""


@dataclass(frozen=True, slots=True)
class Definition:
    """A symbol and the file it is in."""

    path: str
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class Region:
    """Lines [line, line + REGION) of a file."""

    path: str
    line: int


class Index:
    """Files by path, their definitions by name, their regions by words."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._common: set[str] = set()
        """Words that were seen to stand in more than `MOST_POSTINGS` regions, as they will for good:
        to count those again is what would take the time."""
        self.has_words = True
        """False where this Python's SQLite was built without FTS5: nothing is similar then."""
        try:
            self._database.executescript(_WORDS)
        except sqlite3.OperationalError:
            self.has_words = False

    def add(self, path: str, language: str, text: str) -> None:
        """Take a file in, in place of what it was before."""
        self.remove(path)
        run = self._database.execute
        run("BEGIN")
        name = path.rpartition("/")[2]
        added = run("INSERT INTO files VALUES (NULL, ?, ?, ?)", (path, name, language))
        file = int(added.lastrowid or 0)
        self._database.executemany(
            "INSERT INTO symbols VALUES (?, ?, ?, ?, ?)",
            [
                (each.name, file, each.line, each.owner, each.signature)
                for each in symbols_of(language, text)
            ],
        )
        lines = text.split("\n")
        if self.has_words:
            self._database.executemany(
                "INSERT INTO words (rowid, text) VALUES (?, ?)",
                [
                    (file * _REGIONS + number, " ".join(set(WORD.findall("\n".join(region)))))
                    for number, region in enumerate(
                        lines[start : start + REGION] for start in range(0, len(lines), REGION)
                    )
                ],
            )
        run("COMMIT")

    def remove(self, path: str) -> None:
        """Forget a file. Its words stay in the full-text table, but no file has their id again."""
        run = self._database.execute
        if (row := run("SELECT id FROM files WHERE path = ?", (path,)).fetchone()) is not None:
            run("DELETE FROM symbols WHERE file = ?", row)
            run("DELETE FROM files WHERE id = ?", row)

    def paths(self, under: str = "") -> list[str]:
        """All files, or those below a folder."""
        found = self._database.execute("SELECT path FROM files ORDER BY path")
        return [path for (path,) in found if not under or path.startswith(f"{under}/")]

    def language(self, path: str) -> str | None:
        """The file's language; None when it is not in the index."""
        row = self._database.execute(
            "SELECT language FROM files WHERE path = ?", (path,)
        ).fetchone()
        return None if row is None else str(row[0])

    def symbols(self, path: str) -> list[Symbol]:
        """What a file defines, in order."""
        rows = self._database.execute(
            "SELECT symbols.name, owner, signature, line FROM symbols JOIN files ON file = id"
            " WHERE path = ? ORDER BY line",
            (path,),
        )
        return [Symbol(*row) for row in rows]

    def defined(self, name: str, most: int) -> list[Definition]:
        """Where a name is defined; empty when in more than `most` places, for then it says little."""
        rows = self._database.execute(
            "SELECT path, symbols.name, owner, signature, line FROM symbols JOIN files ON file = id"
            " WHERE symbols.name = ? LIMIT ?",
            (name, most + 1),
        ).fetchall()
        return [Definition(row[0], Symbol(*row[1:])) for row in rows] if len(rows) <= most else []

    def named(self, file_name: str) -> list[str]:
        """All files of a name, wherever they are."""
        rows = self._database.execute(
            "SELECT path FROM files WHERE name = ? ORDER BY length(path), path", (file_name,)
        )
        return [path for (path,) in rows]

    def resolve(self, wanted: Import) -> list[str]:
        """The files of the workspace that an import means; empty when it has none."""
        for path in wanted.paths:
            if path.endswith("/"):
                found = self._folder(path)
            else:
                name = path.rpartition("/")[2]
                found = [
                    each
                    for each in self.named(name)
                    if each == path or (wanted.anywhere and each.endswith(f"/{path}"))
                ][:1]
            if found:
                return found
        return []

    def similar(self, text: str, most: int, *, but_not: str) -> list[Region]:
        """The regions of other files that share most of the text's rarer words, best first."""
        words = self._rarest({word.lower() for word in WORD.findall(text)})
        if not words:
            return []
        either = " OR ".join(f'"{word}"' for word in words)
        rows = self._database.execute(
            "SELECT path, best.id % ? * ? FROM"
            " (SELECT rowid AS id, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?) AS best"
            " JOIN files ON files.id = best.id / ? WHERE path != ? ORDER BY rank LIMIT ?",
            (_REGIONS, REGION, either, most + LOOKED_AT, _REGIONS, but_not, most),
        )
        return [Region(*row) for row in rows]

    def _rarest(self, words: Iterable[str]) -> list[str]:
        if not self.has_words:
            return []
        words = set(words)
        counts = self._counted(words - self._common)
        self._common.update(word for count, word in counts if count > MOST_POSTINGS)
        if all(count > MOST_POSTINGS for count, _ in counts):
            counts = self._counted(words)
        chosen: list[str] = []
        postings = 0
        for count, word in sorted(counts)[:MOST_WORDS]:
            postings += count
            if chosen and postings > MOST_POSTINGS:
                break
            chosen.append(word)
        return chosen

    def _counted(self, words: Iterable[str]) -> list[tuple[int, str]]:
        """In how many regions each word stands; words that stand in none are left out."""
        counts = []
        for word in words:
            row = self._database.execute(
                "SELECT doc FROM vocabulary WHERE term = ?", (word,)
            ).fetchone()
            if row is not None:
                counts.append((int(row[0]), word))
        return counts

    def _folder(self, folder: str) -> list[str]:
        """The files directly in the folders that end with `folder`."""
        rows = self._database.execute(
            "SELECT path FROM files WHERE path LIKE ? OR path LIKE ? ORDER BY path LIMIT 200",
            (f"{folder}%", f"%/{folder}%"),
        )
        return [
            path for (path,) in rows if f"/{path}".endswith(f"/{folder}" + path.rpartition("/")[2])
        ]
