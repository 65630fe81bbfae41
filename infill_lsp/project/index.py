"""What a workspace's files define and which words stand where, in an in-memory SQLite database.

SQLite because it is small where Python's own objects are not, takes single files in and out, and its
FTS5 ranks by BM25. For 5,000 files it takes about 40 MB and answers in milliseconds; bm25s answers in
one, but takes five times as much and has to be built anew for every change. Nothing is written to
disk. Used from one thread.
"""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from infill_lsp.project.modules import Import
from infill_lsp.project.outline import outline_of
from infill_lsp.project.symbols import Symbol

REGION = 24
"""Lines of a region, the unit that similarity is looked for in."""
MOST_POSTINGS = 700
"""Regions that the words of a question may stand in together: its rarest words come first."""
MOST_WORDS = 16
MOST_OF_FOLDER = 200
"""Files of a folder that is imported as a whole."""
LOOKED_AT = 40
"""Regions ranked beyond those asked for, since some are of the file itself or of older versions."""
_REGIONS = 1 << 16
"""A region's row is its file's id times this, and its number in the file."""

WORD = re.compile(r"[A-Za-z_]\w{2,}")
_SCHEMA = """
    CREATE TABLE files (
        id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT UNIQUE, language TEXT,
        path_turned TEXT, folder_turned TEXT);
    CREATE INDEX files_by_end ON files (path_turned);
    CREATE INDEX files_by_folder ON files (folder_turned);
    CREATE TABLE imports (file INTEGER, statement TEXT);
    CREATE INDEX imports_by_file ON imports (file);
    CREATE TABLE symbols (name TEXT, file INTEGER, line INTEGER, owner TEXT, signature TEXT);
    CREATE INDEX symbols_by_name ON symbols (name);
    CREATE INDEX symbols_by_file ON symbols (file);
"""
_WORDS = """
    CREATE VIRTUAL TABLE words USING fts5 (
        text, content='', tokenize="unicode61 tokenchars '_'");
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
        self._regions_with: Counter[str] = Counter()
        """In how many regions a word stands, those of older versions among them. SQLite would count
        at every question, which takes as long as all else together."""
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
        turned = _turned(path), _turned(path.rpartition("/")[0] + "/")
        added = run("INSERT INTO files VALUES (NULL, ?, ?, ?, ?)", (path, language, *turned))
        file = int(added.lastrowid or 0)
        outline = outline_of(language, text)
        self._database.executemany(
            "INSERT INTO symbols VALUES (?, ?, ?, ?, ?)",
            [(each.name, file, each.line, each.owner, each.signature) for each in outline.symbols],
        )
        self._database.executemany(
            "INSERT INTO imports VALUES (?, ?)", [(file, each) for each in outline.imports]
        )
        if self.has_words:
            self._add_words(file, text.split("\n"))
        run("COMMIT")

    def remove(self, path: str) -> None:
        """Forget a file. Its words stay in the full-text table, but no file has their id again."""
        run = self._database.execute
        if (row := run("SELECT id FROM files WHERE path = ?", (path,)).fetchone()) is not None:
            run("DELETE FROM symbols WHERE file = ?", row)
            run("DELETE FROM imports WHERE file = ?", row)
            run("DELETE FROM files WHERE id = ?", row)

    def paths(self, under: str = "") -> list[str]:
        """All files, or those below a folder."""
        found = self._database.execute(
            "SELECT path FROM files WHERE path BETWEEN ? AND ? ORDER BY path",
            _beginning(f"{under}/" if under else ""),
        )
        return [path for (path,) in found]

    def __contains__(self, path: str) -> bool:
        return self.language(path) is not None

    def language(self, path: str) -> str | None:
        """The file's language; None when it is not in the index."""
        row = self._database.execute(
            "SELECT language FROM files WHERE path = ?", (path,)
        ).fetchone()
        return None if row is None else str(row[0])

    def symbols(self, path: str, names: Collection[str] | None = None) -> list[Symbol]:
        """What a file defines, in order. names: only what has one of them, or is a member of what
        has."""
        rows = self._database.execute(
            "WITH wanted AS (SELECT value FROM json_each(:names))"
            " SELECT symbols.name, owner, signature, line FROM symbols JOIN files ON file = id"
            " WHERE path = :path AND (:names IS NULL OR symbols.name IN wanted OR owner IN wanted)"
            " ORDER BY line",
            {"path": path, "names": None if names is None else json.dumps(list(names))},
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

    def imports(self, path: str) -> list[str]:
        """The import statements of a file, in order."""
        rows = self._database.execute(
            "SELECT statement FROM imports JOIN files ON file = id WHERE path = ?"
            " ORDER BY imports.rowid",
            (path,),
        )
        return [statement for (statement,) in rows]

    def ending(self, end: str) -> str | None:
        """The file whose path is `end` or ends with it, the shortest of several: `b/c.py` finds
        `b/c.py` and `a/b/c.py`, not `ab/c.py`."""
        row = self._database.execute(
            "SELECT path FROM files WHERE path_turned BETWEEN ? AND ?"
            " ORDER BY length(path), path LIMIT 1",
            _beginning(_turned(end)),
        ).fetchone()
        return None if row is None else str(row[0])

    def resolve(self, wanted: Import) -> list[str]:
        """The files of the workspace that an import means; empty when it has none."""
        for path in wanted.paths:
            if path.endswith("/"):
                found = self._folder(path)
            elif wanted.anywhere:
                end = self.ending(path)
                found = [] if end is None else [end]
            else:
                found = [path] if path in self else []
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

    def _add_words(self, file: int, lines: list[str]) -> None:
        for number, start in enumerate(range(0, len(lines), REGION)):
            words = set(WORD.findall("\n".join(lines[start : start + REGION])))
            self._regions_with.update({word.lower() for word in words})
            self._database.execute(
                "INSERT INTO words (rowid, text) VALUES (?, ?)",
                (file * _REGIONS + number, " ".join(words)),
            )

    def _rarest(self, words: Iterable[str]) -> list[str]:
        """Those whose regions are looked at: the rarest ones, at least one if any is known."""
        known = ((self._regions_with[word], word) for word in words if word in self._regions_with)
        chosen: list[str] = []
        postings = 0
        for count, word in sorted(known)[:MOST_WORDS]:
            postings += count
            if chosen and postings > MOST_POSTINGS:
                break
            chosen.append(word)
        return chosen

    def _folder(self, folder: str) -> list[str]:
        """The files directly in the folders that end with `folder`."""
        rows = self._database.execute(
            "SELECT path FROM files WHERE folder_turned BETWEEN ? AND ? ORDER BY path LIMIT ?",
            (*_beginning(_turned(folder)), MOST_OF_FOLDER),
        )
        return [path for (path,) in rows]


def _turned(path: str) -> str:
    """From its end to its start, so that paths with one end stand together."""
    return f"/{path}"[::-1]


def _beginning(text: str) -> tuple[str, str]:
    """Between which texts those lie that begin with this one."""
    return text, text + chr(sys.maxunicode)
