"""What git itself says it ignores: one `git check-ignore` process for each repository, asked path by path.

So its own rules hold: the repository's root, nested files, `info/exclude` of worktrees and submodules,
`core.excludesFile`, what is tracked although a pattern names it. A repository that a stranger wrote is
asked with none of its hooks or helpers, and not waited for beyond `PATIENCE`. Blocking; used in the
project's own process.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
import weakref
from pathlib import Path
from typing import IO

PATIENCE = 5.0
"""Seconds for one answer."""
MOST_STARTS = 3
"""Processes that answer nothing; git ends at a path that it refuses, such as one beyond a link."""
_FIELDS = 4
"""Of an answer: source, line, pattern, path."""
_HARMLESS = ("core.fsmonitor=false", "core.hooksPath=/dev/null")


class GitIgnore:
    """Asks git about the paths of one repository."""

    def __init__(self, top: Path) -> None:
        """top: its folder, where `.git` is."""
        self._top = top
        self._git = shutil.which("git")
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._fields: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._end: weakref.finalize[[subprocess.Popen[bytes]], GitIgnore] | None = None

    def source(self, path: str) -> str | None:
        """Of a path, relative to the repository, the file whose rule has git ignore it; empty: git does
        not. None: git cannot say."""
        if not self._running():
            return None
        assert self._process is not None
        assert self._process.stdin is not None
        answer: list[bytes | None] = [None]
        try:
            self._process.stdin.write(os.fsencode(path) + b"\0")
            answer = [self._fields.get(timeout=PATIENCE) for _ in range(_FIELDS)]
        except queue.Empty:
            self._git = None  # it would be waited for again
        except OSError:
            pass
        source, _, pattern, _ = answer if None not in answer else (None, None, None, None)
        if source is None or pattern is None:
            self.close()
            return None
        self._starts = 0
        return os.fsdecode(source) if pattern and not pattern.startswith(b"!") else ""

    def close(self) -> None:
        """End the process."""
        if self._end is not None:
            self._end()
        self._process = self._end = None

    def _running(self) -> bool:
        if self._process is not None:
            return True
        if self._git is None or self._starts >= MOST_STARTS:
            return False
        self._starts += 1
        options = [word for setting in _HARMLESS for word in ("-c", setting)]
        ask = ["check-ignore", "--stdin", "-z", "--verbose", "--non-matching"]
        try:
            self._process = subprocess.Popen(
                [self._git, *options, *ask],
                cwd=self._top,
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        except OSError:
            self._git = None
            return False
        self._fields = queue.SimpleQueue()
        self._end = weakref.finalize(self, _end, self._process)
        assert self._process.stdout is not None
        reading = (self._process.stdout, self._fields)
        threading.Thread(target=_read, args=reading, name="git", daemon=True).start()
        return True


def repository_of(folder: Path) -> Path | None:
    """The nearest folder at or above this one that has a `.git`; None outside of repositories."""
    for each in (folder, *folder.parents):
        if os.path.lexists(each / ".git"):
            return each
    return None


def excludes_of(top: Path) -> tuple[Path, ...]:
    """Ignore files beside those in the folders themselves, without git: the user's and the repository's,
    the weaker first."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - that of Path raises where there is no home
    shared = _git_folder(top)
    return (Path(home, "git", "ignore"), shared / "info" / "exclude")


def _git_folder(top: Path) -> Path:
    """Where a repository keeps what its worktrees share."""
    found = top / ".git"
    try:
        if found.is_file():
            said = found.read_text("utf-8")[:4096].partition("gitdir:")[2].strip()
            found = (top / said).resolve()
            common = found / "commondir"
            if common.is_file():
                found = (found / common.read_text("utf-8")[:4096].strip()).resolve()
    except (OSError, ValueError):
        pass
    return found


def _environment() -> dict[str, str]:
    """Without what names another repository, as within a hook."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith("GIT_CONFIG")
    }
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def _read(stream: IO[bytes], fields: queue.SimpleQueue[bytes | None]) -> None:
    """Put what ends with a zero byte into `fields`, and None for the end."""
    rest = b""
    try:
        while chunk := stream.read(65536):
            *whole, rest = (rest + chunk).split(b"\0")
            for each in whole:
                fields.put(each)
    except (OSError, ValueError):
        pass
    for _ in range(_FIELDS):
        fields.put(None)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    process.wait()
