"""Which files a project itself says to leave alone: what git ignores, and `.infillignore` by git's rules.

Git itself is asked where it is at hand (`git`); elsewhere the library `pathspec` reads the same files. Both
count from the repository's root, also when a folder inside of it is opened. A deeper file outranks a
shallower one, `.infillignore` outranks git, and what is inside an ignored folder is ignored.

A repository writes its own patterns, so they are matched in linear time (RE2, not Python's `re`, which
a few stars make exponential), and only in the project's own process, never on a message loop.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import re2
from pathspec import GitIgnoreSpec

from infill_lsp.project.confined import names_of, read_inside
from infill_lsp.project.git import GitIgnore, excludes_of, repository_of

GIT, INFILL = ".gitignore", ".infillignore"
IGNORE_FILES = (GIT, INFILL)
SKIPPED_FOLDERS = {
    *(".git", ".hg", ".svn", ".jj", "node_modules", "bower_components", "site-packages"),
    *(".venv", "venv", "__pycache__", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".cache"),
}
"""Never the project's own text, whatever the rules say."""
LARGEST_RULES = 1_000_000
"""Bytes of an ignore file; a larger one is no such file, and is passed over."""
LONGEST_RULE = 4096
"""Characters; longer lines are passed over."""
DEEPEST = 64
"""Folders above a file; what lies deeper is left alone."""


@dataclass(slots=True)
class IgnoreRules:
    """The rules of one folder and all below it. Ignore files are read when first needed."""

    root: Path
    ask_git: bool = True
    """False: by the library alone."""
    _layers: dict[Path, _Layer] = field(default_factory=dict)
    _folders: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = self.root.resolve()  # a link to a folder of a repository

    def reason(self, path: str, *, folder: bool = False) -> str | None:
        """Why `path` (relative to the root, with forward slashes) is to be left alone; None when
        it is not."""
        names = names_of(path)
        if names is None or len(names) > DEEPEST:
            return "no path of this folder" if names is None else "too deep in folders"
        for count in range(1, len(names) + folder):
            if (reason := self._folder_reason("/".join(names[:count]))) is not None:
                return reason
        return None if folder else self._own_reason(path, folder=False)

    def _folder_reason(self, path: str) -> str | None:
        if path not in self._folders:
            name = path.rpartition("/")[2]
            skipped = f"{name}/ is never read" if name in SKIPPED_FOLDERS else None
            self._folders[path] = skipped or self._own_reason(path, folder=True)
        return self._folders[path]

    def _own_reason(self, path: str, *, folder: bool) -> str | None:
        """By the rules for this very path; those for the folders around it come before."""
        place = self.root / path
        layer = self._layer(place.parent)
        return layer.reason(place.relative_to(layer.top).as_posix(), folder)

    def _layer(self, folder: Path) -> _Layer:
        """The rules of the repository that holds a folder; outside of repositories, of the root."""
        if folder not in self._layers:
            if folder != self.root and not os.path.lexists(folder / ".git"):
                self._layers[folder] = self._layer(folder.parent)
            else:
                top = repository_of(folder)
                self._layers[folder] = _Layer(top or self.root, self.ask_git and top is not None)
        return self._layers[folder]


class _Layer:
    """One repository's rules, or those of a folder outside of any."""

    def __init__(self, top: Path, ask_git: bool) -> None:
        self.top = top
        self._git = GitIgnore(top) if ask_git else None
        self._specs: dict[tuple[str, str], GitIgnoreSpec | None] = {}
        self._wanted: set[str] = set()
        """Folders that `.infillignore` takes in although git ignores them."""

    def reason(self, path: str, folder: bool) -> str | None:
        """Why the rules leave a path alone, of which no folder above is left alone."""
        source = self._source(path, folder, INFILL)
        if source == "" and folder:
            self._wanted.add(path)
        above = {str(parent) for parent in PurePosixPath(path).parents}
        if source is None and self._git is not None and not above & self._wanted:
            source = self._git.source(path)
        if source is None:
            source = self._source(path, folder, GIT)
        if not source:
            return None
        place = PurePosixPath(source)
        deeper = place.name in IGNORE_FILES and not place.is_absolute() and len(place.parts) > 1
        return f"named by an ignore file{f' in {place.parent}' if deeper else ''}"

    def _source(self, path: str, folder: bool, name: str) -> str | None:
        """The nearest file whose rule speaks of a path, if that ignores it; empty: it does not. None: no
        rule speaks of it."""
        shown = f"{path}/" if folder else path
        for above in PurePosixPath(path).parents:  # the nearest first
            spec = self._spec(str(above), name)
            inner = shown if str(above) == "." else shown[len(str(above)) + 1 :]
            if spec is not None and (include := spec.check_file(inner).include) is not None:
                return str(above / name) if include else ""
        return None

    def _spec(self, folder: str, name: str) -> GitIgnoreSpec | None:
        if (folder, name) not in self._specs:
            lines = self._lines(self.top, name if folder == "." else f"{folder}/{name}")
            if folder == "." and name == GIT:
                outside = excludes_of(self.top)
                lines = [
                    *(x for file in outside for x in self._lines(file.parent, file.name)),
                    *lines,
                ]
            spec = _compiled(lines) if lines else None
            self._specs[folder, name] = spec
        return self._specs[folder, name]

    def _lines(self, folder: Path, path: str) -> list[str]:
        data = read_inside(folder, path, LARGEST_RULES) or b""
        lines = data.decode("utf-8", errors="replace").removeprefix("\ufeff").split("\n")
        return [line.removesuffix("\r") for line in lines if len(line) <= LONGEST_RULE]


_NO_RULE = (ValueError, re.error, re2.error)
"""What a line that is no rule raises, from one layer of the library or another."""


def _compiled(lines: list[str]) -> GitIgnoreSpec:
    """The rules that are some; git, too, passes over those that are none, e.g. a set that does not end."""
    try:
        return GitIgnoreSpec.from_lines(lines, backend="re2")
    except _NO_RULE:
        return GitIgnoreSpec.from_lines(filter(_is_rule, lines), backend="re2")


def _is_rule(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line], backend="re2")
    except _NO_RULE:
        return False
    return True
