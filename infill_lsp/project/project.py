"""START HERE: one workspace folder, from its files to what they say about a gap.

    scan     `work` takes in a file at a time, so that a question never waits long
    index    definitions and words of each file
    answer   candidates of every source, chosen by the budget

Blocking and single-threaded; `worker` runs it in a process of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from infill_lsp.grammars import language_for
from infill_lsp.project import sources
from infill_lsp.project.assembly import DEFAULT_SOURCES, Answer, assemble
from infill_lsp.project.files import Files
from infill_lsp.project.ignore import IGNORE_FILES, IgnoreRules
from infill_lsp.project.index import Index
from infill_lsp.project.private import is_private
from infill_lsp.project.ring import Ring
from infill_lsp.project.scan import read_source, refusal, source_files, wanted
from infill_lsp.project.sources import Piece, Question


class Project:
    """One folder's index, kept up to date by whoever tells it what changed."""

    def __init__(self, root: Path, packages: tuple[Path, ...] | None = None) -> None:
        """packages: see `Files`."""
        self.root = root
        self.refused = refusal(root)
        """Why the folder is not read at all; None when it is."""
        self.index = Index()
        self.ring = Ring()
        self._files = Files(root, packages)
        self._rules = IgnoreRules(root)
        self._waiting: deque[str] = deque()
        self._scan: Iterator[str] = iter(())
        self.rescan()

    def rescan(self) -> None:
        """Look through the whole folder again, e.g. after its ignore rules changed."""
        self._rules = IgnoreRules(self.root)
        self._scan = iter(()) if self.refused else source_files(self.root, self._rules)
        for path in self.index.paths():
            if not wanted(path, self._rules):
                self.index.remove(path)

    def work(self) -> bool:
        """Take in one more file; false when there is nothing to do."""
        path = self._waiting.popleft() if self._waiting else next(self._scan, None)
        if path is None:
            return False
        self._take_in(path)
        return True

    def changed(self, paths: Sequence[str]) -> None:
        """Files or folders of these paths were made, changed or deleted."""
        if any(
            path.rpartition("/")[2] in IGNORE_FILES or (self.root / path).is_dir() for path in paths
        ):
            self.rescan()
        for path in paths:
            for each in (path, *self.index.paths(under=path)):
                if each not in self._waiting:
                    self._waiting.append(each)

    def remember(self, path: str, line: int, text: str) -> None:
        """A region of an open file was edited or looked at. Private and ignored files are not
        remembered."""
        if not self.refused and not is_private(path) and self._rules.reason(path) is None:
            self.ring.remember(path, line, text)

    def answer(
        self, asked: Question, wanted_sources: Sequence[str] = DEFAULT_SOURCES
    ) -> Answer:  # fmt: skip
        """What to show the model for a gap, out of these sources."""
        if self.refused:
            return Answer()
        candidates: dict[str, Iterator[Piece]] = {
            name: find(asked, self.index, self._files)
            for name, find in _FINDERS.items()
            if name in wanted_sources
        }
        if "recent" in wanted_sources:
            candidates["recent"] = self.ring.pieces(asked)
        return assemble(candidates, asked.language, asked.near)

    def _take_in(self, path: str) -> None:
        text = read_source(self.root / path) if wanted(path, self._rules) else None
        language = language_for("", path)
        if text is None or language is None:
            self.index.remove(path)
        else:
            self.index.add(path, language, text)


_FINDERS: dict[str, Callable[[Question, Index, Files], Iterator[Piece]]] = {
    "imports": sources.imports,
    "sibling": sources.sibling,
    "called": sources.called,
    "similar": sources.similar,
}
