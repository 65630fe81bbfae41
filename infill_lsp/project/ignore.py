"""Which files a project itself says to leave alone: `.gitignore` and `.infillignore`, by git's rules.

A deeper file outranks a shallower one, `.infillignore` outranks `.gitignore` beside it, and what is
inside an ignored folder is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".infillignore")
"""Read in this order in each folder; of rules that match, the last one decides."""
SKIPPED_FOLDERS = {
    *(".git", ".hg", ".svn", ".jj", "node_modules", "bower_components", "site-packages"),
    *(".venv", "venv", "__pycache__", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".cache"),
}
"""Never the project's own text, whatever the rules say."""


@dataclass(slots=True)
class IgnoreRules:
    """The rules of one folder and all below it. Ignore files are read when first needed."""

    root: Path
    _specs: dict[PurePosixPath, GitIgnoreSpec | None] = field(default_factory=dict)
    _folders: dict[PurePosixPath, str | None] = field(default_factory=dict)

    def reason(self, path: str, *, folder: bool = False) -> str | None:
        """Why `path` (relative to the root, with forward slashes) is to be left alone; None when
        it is not."""
        place = PurePosixPath(path)
        for parent in reversed(place.parents[:-1]):
            if (reason := self._folder_reason(parent)) is not None:
                return reason
        return self._folder_reason(place) if folder else self._own_reason(place, str(place))

    def _folder_reason(self, place: PurePosixPath) -> str | None:
        if place not in self._folders:
            skipped = f"{place.name}/ is never read" if place.name in SKIPPED_FOLDERS else None
            self._folders[place] = skipped or self._own_reason(place, f"{place}/")
        return self._folders[place]

    def _own_reason(self, place: PurePosixPath, shown: str) -> str | None:
        """By the rules for this very path; those for the folders around it come before."""
        for folder in place.parents:  # the nearest first
            spec = self._spec(folder)
            inner = shown if folder == PurePosixPath() else shown[len(str(folder)) + 1 :]
            if spec is not None and (result := spec.check_file(inner)).include is not None:
                where = "" if folder == PurePosixPath() else f" in {folder}"
                return f"named by an ignore file{where}" if result.include else None
        return None

    def _spec(self, folder: PurePosixPath) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            names = [self.root / folder / name for name in IGNORE_FILES]
            if folder == PurePosixPath():
                names.insert(0, self.root / ".git" / "info" / "exclude")
            lines = [line for name in names for line in _lines(name)]
            self._specs[folder] = GitIgnoreSpec.from_lines(lines) if lines else None
        return self._specs[folder]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
