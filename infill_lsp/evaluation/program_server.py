"""Runs Python programs that nobody has read, each in a forked process of its own.

`sandbox` starts this file by its path, in an interpreter without site-packages; it imports nothing
but the standard library. One JSON line in (`{"program": ...}`), one out (`{"verdict": ...,
"detail": ...}`); the first line out says what keeps the programs in.

Between a program and the machine stand, from the outside: a network namespace without devices and a
process namespace of its own, at whose end the kernel kills whatever it started (Linux, where
allowed); limits of CPU time, memory, file size and wall-clock time; a new folder and empty
standard streams; and an audit hook that refuses sockets, processes, signals, foreign code and
changes outside that folder. The hook alone would stop accidents, not attacks.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import random
import resource
import secrets
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress

CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
CLONE_NEWPID = 0x20000000
LARGEST_FILE = 16 << 20
OPEN_FILES = 64
POLL_SECONDS = 0.02
LOADED = "bisect collections copy datetime decimal fractions functools hashlib heapq itertools math"
LOADED += " operator re statistics string typing"
"""Modules that forked programs find loaded already."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_REFUSED = (
    "ctypes.",
    "os.exec",
    "os.fork",
    "os.kill",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.",
    "resource.",
    "signal.pthread_kill",
    "socket.",
    "subprocess.",
)
_CHANGES = (
    "os.chflags",
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "shutil.",
)


def main(cpu: str, wall: str, memory: str, namespaces: str) -> None:
    """Serve until standard input ends. Seconds, seconds, bytes, and `yes` or `no`."""
    for name in LOADED.split():
        importlib.import_module(name)
    isolated = namespaces == "yes" and enter_namespaces()
    print(json.dumps({"namespaces": isolated}), flush=True)
    for line in sys.stdin:
        program = json.loads(line)["program"]
        verdict, detail = judge(program, int(cpu), float(wall), int(memory), isolated)
        print(json.dumps({"verdict": verdict, "detail": detail}), flush=True)


def enter_namespaces() -> bool:
    """Leave the machine's network for good. False where the system does not allow it."""
    if not sys.platform.startswith("linux"):
        return False
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) != 0:
        return False
    with suppress(OSError):  # the same user as before, and no other
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    return True


def judge(program: str, cpu: int, wall: float, memory: int, isolated: bool) -> tuple[str, str]:
    """Run one program: passed, failed, timeout, exited or killed, and a word more."""
    folder = tempfile.mkdtemp(prefix="program-")
    said, saying = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(said)
        _in_child(lambda: _keep(program, folder, saying, cpu, wall, memory, isolated))
    os.close(saying)
    with open(said, encoding="utf-8") as answer:  # noqa: PTH123
        line = answer.read()
    os.waitpid(keeper, 0)
    shutil.rmtree(folder, ignore_errors=True)
    verdict, _, detail = line.strip().partition(" ")
    return verdict or "killed", detail


def _keep(
    program: str, folder: str, saying: int, cpu: int, wall: float, memory: int, isolated: bool
) -> None:
    """The process between the server and a program: starts it, waits, and leaves nothing behind."""
    os.setsid()
    if isolated:  # the next child is process 1 of a namespace: with it dies all that it started
        ctypes.CDLL(None).unshare(CLONE_NEWPID)
    token = secrets.token_hex(16)
    heard, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        os.close(saying)
        _in_child(lambda: _run(program, folder, telling, token, cpu, memory))
    os.close(telling)
    message, status, seconds = _wait(child, heard, time.monotonic() + wall)
    _say(saying, *_verdict(message, token, status, seconds, cpu))
    os.close(saying)
    if not isolated:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def _wait(child: int, heard: int, until: float) -> tuple[str, int | None, float]:
    """The child's message, its wait status (None: it was still running) and its CPU seconds."""
    message, status, seconds = b"", None, 0.0
    while status is None and time.monotonic() < until:
        if select.select([heard], [], [], POLL_SECONDS)[0]:
            part = os.read(heard, 4096)
            message += part
            if not part or message.endswith(b"\n"):
                break
        pid, ended, usage = os.wait4(child, os.WNOHANG)
        if pid:
            status, seconds = ended, usage.ru_utime + usage.ru_stime
            if select.select([heard], [], [], 0)[0]:  # said between the two questions
                message += os.read(heard, 4096)
    if status is None:
        late = time.monotonic() >= until and not message
        if late or message:
            os.kill(child, signal.SIGKILL)
        _, ended, usage = os.wait4(child, 0)
        status, seconds = None if late else ended, usage.ru_utime + usage.ru_stime
    return message.decode("utf-8", "replace").strip(), status, seconds


def _verdict(
    message: str, token: str, status: int | None, seconds: float, cpu: int
) -> tuple[str, str]:
    if message == token:
        return "passed", ""
    if message.startswith("failed "):
        return "failed", message.removeprefix("failed ")
    if status is None:
        return "timeout", "wall-clock time"
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return ("timeout", "CPU time") if seconds >= 0.8 * cpu else ("killed", name)
    return "exited", f"with {os.WEXITSTATUS(status)} before its tests were done"


def _run(program: str, folder: str, telling: int, token: str, cpu: int, memory: int) -> None:
    """The program's own process. Says the token only after the program's last line has run."""
    os.setsid()
    os.chdir(folder)
    tempfile.tempdir = folder
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.closerange(3, telling)
    os.closerange(telling + 1, 1024)
    random.seed(0)
    for limit, value in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # some systems know no such limit
            resource.setrlimit(limit, (value, value))
    sys.addaudithook(_hook(folder))
    try:
        exec(compile(program, "program.py", "exec"), {})
    except SystemExit:
        return
    except BaseException as error:
        _say(telling, "failed", type(error).__name__)
        return
    _say(telling, token)


def _hook(folder: str) -> Callable[[str, tuple[object, ...]], None]:
    inside = os.path.realpath(folder) + os.sep

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"{event} is refused")
        if event == "open":
            path, _, flags = arguments
            changed = [path] if isinstance(flags, int) and flags & WRITING else []
        elif event.startswith(_CHANGES):
            changed = list(arguments)
        else:
            return
        for path in changed:
            if isinstance(path, (str, bytes)):
                real = os.path.realpath(os.fsdecode(path)) + os.sep
                if not real.startswith(inside) and real != os.devnull + os.sep:
                    raise PermissionError(f"{event} of {path!r} is refused")

    return hook


def _in_child(work: Callable[[], None]) -> None:
    """Do it and end this process, whatever happens: it must never go on as a second server."""
    try:
        work()
    finally:
        os._exit(0)


def _say(descriptor: int, *words: str) -> None:
    os.write(descriptor, (" ".join(words) + "\n").encode())


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
