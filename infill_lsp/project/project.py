"""START HERE: one workspace folder, from its files to what they say about a gap.

    scan     `work` takes in a file at a time, so that a question never waits long
    index    definitions and words of each file
    answer   candidates of every source, chosen by the budget

Blocking and single-threaded; `worker` runs it in a process of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine import Snippet
from infill_lsp.grammars import language_for
from infill_lsp.indentation import INDENTED, from_editorconfig, unit_in
from infill_lsp.notices import at_start, header
from infill_lsp.project import sources
from infill_lsp.project.assembly import DEFAULT_SOURCES, Answer, assemble
from infill_lsp.project.confined import is_folder_inside, names_of
from infill_lsp.project.files import Files
from infill_lsp.project.ignore import IGNORE_FILES, IgnoreRules
from infill_lsp.project.index import Index
from infill_lsp.project.knowledge import Claim, contradiction
from infill_lsp.project.private import (
    beside,
    holds_secret,
    is_private,
    matches,
    secret_lines,
    without,
)
from infill_lsp.project.ring import REGION_LINES, Ring, region_around
from infill_lsp.project.scan import read_source, refusal, source_files, wanted
from infill_lsp.project.sources import Piece, Question


class Project:
    """One folder's index, kept up to date by whoever tells it what changed."""

    def __init__(
        self, root: Path, packages: tuple[Path, ...] | None = None, *, index: bool = True
    ) -> None:
        """packages: see `Files`. index: false for the ignore rules alone."""
        self.root = root
        self.refused = refusal(root) if index else "other files are not wanted"
        """Why the folder's sources are not read at all; None when they are."""
        self.rules_changed = 0
        """How often the ignore rules may have changed."""
        self.index = Index()
        self.ring = Ring()
        self._headers: dict[str, tuple[str, str]] = {}
        """Path to language and the notices at the file's start, of the files that have some."""
        self._units: dict[str, tuple[str, str]] = {}
        """Path to language and one level of indentation, of the files that are indented."""
        self._files = Files(root, packages)
        self._rules = IgnoreRules(root)
        self._excluded: tuple[str, ...] = ()
        self._waiting: dict[str, None] = {}
        self._scan: Iterator[str] = iter(())
        self.rescan()

    def rescan(self) -> None:
        """Look through the whole folder again, e.g. after its ignore rules changed."""
        self._rules = IgnoreRules(self.root)
        self.rules_changed += 1
        self._scan = iter(()) if self.refused else source_files(self.root, self._rules)
        self._drop()

    def exclude(self, patterns: Sequence[str]) -> None:
        """Files that match one of these (as the setting `disabledFiles` has them) say nothing to others
        from now on; those that matched earlier patterns may again."""
        if tuple(patterns) != self._excluded:
            self._excluded = tuple(patterns)
            self.rescan()

    def ignored(self, path: str) -> str | None:
        """Why the project's ignore rules leave a path alone; None when they do not."""
        return self._rules.reason(path)

    def layout(self, path: str) -> dict[str, str]:
        """How a file is to be indented, without its text (see `indentation.Around`)."""
        language = language_for("", path)
        units = Counter(unit for its, unit in self._units.values() if its == language)
        most = units.most_common(1)
        return {
            "editorconfig": from_editorconfig(self.root / path) if names_of(path) else "",
            "siblings": most[0][0] if most else "",
        }

    def contradiction(self, claim: Claim) -> str | None:
        """The name in a fill that a module of the folder contradicts (see `knowledge`)."""
        return None if self.refused else contradiction(claim, self.index, self._files)

    def work(self) -> bool:
        """Take in one more file; false when there is nothing to do."""
        path = next(iter(self._waiting), None)
        if path is not None:
            del self._waiting[path]
        elif (path := next(self._scan, None)) is None:
            return False
        self._take_in(path)
        return True

    def changed(self, paths: Sequence[str]) -> None:
        """Files or folders of these paths were made, changed or deleted."""
        if any(
            path.rpartition("/")[2] in IGNORE_FILES or is_folder_inside(self.root, path)
            for path in paths
        ):
            self.rescan()
        for path in paths:
            if names_of(path) is None:
                continue
            self._waiting |= dict.fromkeys((path, *self.index.paths(under=path)))

    def remember(self, path: str, line: int, text: str) -> None:
        """A place of an open file was edited or looked at: the region around it is remembered, unless the
        file is private or ignored. text: all of it, since a region does not show what it is a part of."""
        if not self.refused and self._speaks(path):
            first, region = region_around(text, line)
            close = beside(secret_lines(text, path), first, first + REGION_LINES)
            self.ring.remember(path, first, region, beside_secret=close)

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
        answer = assemble(candidates, asked.language, asked.near)
        common = self._header(asked) if at_start(asked.before) else None
        return replace(answer, snippets=(common, *answer.snippets)) if common else answer

    def _header(self, asked: Question) -> Snippet | None:
        """The notices that most files of the gap's language begin with: a new file may have them, too."""
        counted = Counter(
            text
            for path, (language, text) in self._headers.items()
            if language == asked.language and path != asked.path
        )
        if not counted:
            return None
        text, _ = counted.most_common(1)[0]
        path = next(path for path, (_, its) in self._headers.items() if its == text)
        return None if holds_secret(text) else Snippet(text, path)

    def _speaks(self, path: str) -> bool:
        """Whether a file may say anything to others, by its path."""
        return (
            not is_private(path)
            and not matches(path, self._excluded)
            and self._rules.reason(path) is None
        )

    def _wanted(self, path: str) -> bool:
        return wanted(path, self._rules) and not matches(path, self._excluded)

    def _drop(self) -> None:
        """Forget what may no longer speak."""
        for path in self.index.paths():
            if not self._wanted(path):
                self.index.remove(path)
                self._headers.pop(path, None)
                self._units.pop(path, None)
        for path in self.ring.paths():
            if not self._speaks(path):
                self.ring.forget(path)

    def _take_in(self, path: str) -> None:
        text = read_source(self.root, path) if self._wanted(path) else None
        language = language_for("", path)
        self._headers.pop(path, None)
        self._units.pop(path, None)
        if text is None or language is None:
            self.index.remove(path)
        else:
            self.index.add(path, language, without(text, secret_lines(text, path)))
            if unit := unit_in(text[:INDENTED]):
                self._units[path] = language, unit
            if notices := header(text):
                self._headers[path] = language, notices


_FINDERS: dict[str, Callable[[Question, Index, Files], Iterator[Piece]]] = {
    "imports": sources.imports,
    "sibling": sources.sibling,
    "called": sources.called,
    "similar": sources.similar,
}
