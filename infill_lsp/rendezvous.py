"""Where windows and the server they share meet: a Unix socket in a folder of the user's own.

The socket's name says which server it is, so that another version, installation or GPU gets its
own. Whoever connects, or leaves for good, holds the lock beside the socket: no window can knock at
a server that is about to go, and of several windows only one starts it. Imports next to nothing,
since each window's relay pays for it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import platformdirs

if sys.platform != "win32":
    import fcntl

GREETING = b"infill-lsp\n"
"""The server's first bytes: it has taken the connection."""
LENGTH = 4
"""After that it sends messages in chunks, each after its length in so many bytes, high byte first.
Length zero ends them; one byte follows, the exit code for the window's process."""
SUPPORTED = sys.platform != "win32"

_LONGEST_PATH = 100
"""Bytes; a Unix socket's address holds 104 (macOS) or 108."""
_ENVIRONMENT = ("CUDA_VISIBLE_DEVICES", "XDG_DATA_HOME", "XDG_STATE_HOME")
"""What a server takes from its environment."""


class UnreachableError(Exception):
    """There is no shared server, and none can be started. The message says why."""


def meeting_place(command: Sequence[str]) -> Path:
    """The socket of the server that `command` starts. Raises UnreachableError, OSError."""
    identity = [
        importlib.metadata.version("infill-lsp"),
        sys.executable,
        str(Path(__file__).parent),
        list(command),
        [os.environ.get(name) for name in _ENVIRONMENT],
    ]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    socket = _private_folder() / f"{name}.sock"
    if len(os.fsencode(socket)) > _LONGEST_PATH:
        raise UnreachableError(f"the path {socket} is too long for a socket")
    return socket


@contextmanager
def locked(socket: Path, seconds: float) -> Iterator[None]:
    """Hold the lock. Raises UnreachableError when others hold it for so long."""
    with socket.with_suffix(".lock").open("wb") as file:
        deadline = time.monotonic() + seconds
        while not _take(file.fileno()):
            if time.monotonic() >= deadline:
                raise UnreachableError(f"another window has been starting it for {seconds:.0f} s")
            time.sleep(0.02)
        yield


def _take(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _private_folder() -> Path:
    """Who could put another socket into its place would read the user's code."""
    folder = platformdirs.user_runtime_path("infill-lsp", appauthor=False)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    user, about = os.getuid(), folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != user or about.st_mode & 0o077:
        raise UnreachableError(f"{folder} is not a folder of this user alone (chmod 700)")
    for above in folder.resolve().parents:
        about = above.stat()
        others_may_write = about.st_mode & 0o022 and not about.st_mode & stat.S_ISVTX
        if about.st_uid not in (0, user) or others_may_write:
            raise UnreachableError(
                f"other users could replace {folder}, since {above} is theirs too"
            )
    return folder
