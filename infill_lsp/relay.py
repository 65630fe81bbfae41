"""A window's end of the shared server: finds it or starts it, passes messages on, and gets over its end.

What an editor starts is this process. It holds no model and no library of the protocol's, so that the second
window costs little; of the documents, what another server must be told when the one before has died (see
`replay`). Then it connects to the next one, or starts it, and the window notices a pause.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from infill_lsp.framing import FrameError, Frames
from infill_lsp.rendezvous import (
    GREETING,
    LENGTH,
    SUPPORTED,
    UnreachableError,
    locked,
    meeting_place,
)
from infill_lsp.replay import Replay

STARTING_SECONDS = 20.0
"""How long a server may take from its start to the first connection; it does not wait for torch."""
GREETING_SECONDS = 10.0
"""How long one that runs may take to greet; while it imports torch, it is slow to."""
PING_SECONDS = 5.0
"""Of silence, after which the server is asked whether it is there."""
SILENT_SECONDS = 20.0
"""Of silence, after which it is taken for dead: it hangs, or was stopped."""
COMING_BACK_SECONDS = 30.0
"""How long a next server is looked for."""
MOST_SHORT_LIVES, SHORT_SECONDS = 6, 2.0
"""Servers that died so soon after one another, after which a window gives up: whatever ends them will end
the next."""
LARGEST = 1 << 30
"""Bytes of a message; what is too long, the server says."""
_CHUNK = 64 * 1024


class _LostError(Exception):
    """The server is gone. The message says how."""


def serve_stdio(command: Sequence[str]) -> int:
    """Connect standard input and output with the server that `command` and a socket's path start.

    Returns the exit code: the server's word, or 1 when no server can be reached any more. Raises
    UnreachableError before any byte of standard input is read.
    """
    return _Window(command, connect(command)).serve()


class _Window:
    """One thread reads the editor, one the server; what both know is under a lock."""

    def __init__(self, command: Sequence[str], connection: socket.socket) -> None:
        self._command = command
        self._connection: socket.socket | None = connection
        self._replay = Replay()
        self._lock = threading.Lock()
        self._since, self._short_lives = time.monotonic(), 0
        self._editor_gone = False

    def serve(self) -> int:
        threading.Thread(target=self._read_editor, name="stdin", daemon=True).start()
        while True:
            assert self._connection is not None
            try:
                return self._read_server(self._connection)
            except BrokenPipeError:  # the editor is gone
                return 1
            except _LostError as how:
                if self._editor_gone or self._replay.shut_down:
                    return 0 if self._replay.shut_down else 1
                try:
                    self._take_up_again(str(how))
                except BrokenPipeError:
                    return 1
                except UnreachableError as why:
                    print(f"infill-lsp: the shared server is gone: {why}", file=sys.stderr)
                    return 1

    # The editor's side

    def _read_editor(self) -> None:
        frames = Frames(LARGEST)
        try:
            while chunk := os.read(0, _CHUNK):
                for body in frames.feed(chunk):
                    self._from_editor(body)
        except FrameError:
            # What it sends cannot be followed. Let the server say so, and end.
            self._send_raw(b"\r\n\r\n")
        except OSError:
            pass
        with self._lock:
            self._editor_gone = True
            if self._connection is not None:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_WR)

    def _from_editor(self, body: bytes) -> None:
        with self._lock:
            if self._replay.from_editor(body):
                self._send(body)

    def _send(self, body: bytes) -> None:
        """Under the lock. What a server that is gone does not get, the next one is told by `replay`."""
        self._send_unlocked(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def _send_raw(self, data: bytes) -> None:
        with self._lock:
            self._send_unlocked(data)

    def _send_unlocked(self, data: bytes) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):  # `_read_server` notices
                self._connection.sendall(data)

    # The server's side

    def _read_server(self, connection: socket.socket) -> int:
        """Pass on what the server says, until it says the exit code. Raises _LostError."""
        chunks = _Chunks(connection, self._ping)
        while (chunk := chunks.next()) is not None:
            body = chunk.partition(b"\r\n\r\n")[2]
            with self._lock:
                wanted = self._replay.from_server(body, self._send)
            if wanted:
                _write(chunk)
        return chunks.exit_code

    def _ping(self) -> None:
        # Where another thread writes, or nothing more can be written, the server does not read: no need to
        # ask, and nobody is to wait here.
        if self._lock.acquire(blocking=False):
            try:
                if self._connection and select.select([], [self._connection], [], 0)[1]:
                    self._send(self._replay.ping())
            finally:
                self._lock.release()

    def _take_up_again(self, how: str) -> None:
        """Find the next server, and tell it everything. Raises UnreachableError, BrokenPipeError."""
        assert self._connection is not None
        lost = self._connection
        with contextlib.suppress(OSError):
            lost.shutdown(socket.SHUT_RDWR)  # ends a `sendall` that waits, which holds the lock
        with self._lock:
            self._connection = None
            lost.close()
            told = self._replay.lost(f"the shared server {how}; it is started again")
        for body in told:
            _write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        short = time.monotonic() - self._since < SHORT_SECONDS
        self._short_lives = self._short_lives + 1 if short else 0
        if self._short_lives == MOST_SHORT_LIVES:
            raise UnreachableError(f"it {how}, {MOST_SHORT_LIVES} times in a row")
        connection = self._next_connection()
        with self._lock:
            self._connection, self._since = connection, time.monotonic()
            for body in self._replay.again():
                self._send(body)
            if self._editor_gone:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)

    def _next_connection(self) -> socket.socket:
        deadline = time.monotonic() + COMING_BACK_SECONDS
        while True:
            try:
                return connect(self._command)
            except UnreachableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


HANGS = f"has been silent for {SILENT_SECONDS:.0f} s"


class _Chunks:
    """What a server sends, by chunks (see `rendezvous.LENGTH`); notices its silence."""

    def __init__(self, connection: socket.socket, ping: Callable[[], None]) -> None:
        self.exit_code = 1
        """The server's word, once there are no more chunks."""
        self._connection, self._ping = connection, ping
        self._bytes = bytearray()

    def next(self) -> bytes | None:
        """The next chunk; None after the last. Raises _LostError."""
        length = int.from_bytes(self._exactly(LENGTH))
        if length:
            return self._exactly(length)
        self.exit_code = self._exactly(1)[0]
        return None

    def _exactly(self, count: int) -> bytes:
        while len(self._bytes) < count:
            self._bytes += self._received()
        found = bytes(self._bytes[:count])
        del self._bytes[:count]
        return found

    def _received(self) -> bytes:
        silent = 0.0
        try:
            while not select.select([self._connection], [], [], PING_SECONDS)[0]:
                silent += PING_SECONDS
                if silent >= SILENT_SECONDS:
                    raise _LostError(HANGS)
                self._ping()
            chunk = self._connection.recv(_CHUNK)
        except (OSError, ValueError) as error:  # ValueError: it was closed
            raise _LostError("ended unexpectedly") from error
        if not chunk:
            raise _LostError("ended unexpectedly")
        return chunk


def _write(data: bytes) -> None:
    """To the editor. Raises BrokenPipeError."""
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]


def connect(command: Sequence[str]) -> socket.socket:
    """A connection to the shared server, started if need be, or in the place of one that hangs. Raises
    UnreachableError."""
    if not SUPPORTED:
        raise UnreachableError("there is none on Windows")
    try:
        place = meeting_place(command)
        with locked(place, STARTING_SECONDS + GREETING_SECONDS):
            try:
                found = _greeted(place)
            except UnreachableError as why:
                # It hangs. Windows that it still serves keep it; those to come get another.
                print(f"infill-lsp: {why}; another shared server is started", file=sys.stderr)
                found = None
            return found or _started(command, place)
    except OSError as error:
        raise UnreachableError(str(error)) from error


def _started(command: Sequence[str], place: Path) -> socket.socket:
    place.unlink(missing_ok=True)
    log = place.with_suffix(".log")
    with contextlib.suppress(FileNotFoundError):  # why the one before ended
        log.replace(place.with_suffix(".log.old"))
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*command, str(place)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd="/",  # the editor's folder may be unmounted or deleted before it ends
            start_new_session=True,  # the window's end is not its own
        )
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline:
        if (connection := _greeted(place)) is not None:
            return connection
        if code := process.poll():  # 0: it has put itself into the background
            raise UnreachableError(f"it ended with code {code}, see {log}")
        time.sleep(0.02)
    raise UnreachableError(f"it did not listen within {STARTING_SECONDS:.0f} s, see {log}")


def _greeted(place: Path) -> socket.socket | None:
    """A connection that was taken; None when nobody listens. Raises UnreachableError when somebody does
    but says nothing sensible."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(GREETING_SECONDS)
    try:
        connection.connect(str(place))
        greeting = _exactly(connection, len(GREETING))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError:
        greeting = b""
    if greeting != GREETING:
        connection.close()
        raise UnreachableError(f"the one at {place} does not answer")
    connection.settimeout(None)
    return connection


def _exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes. Raises OSError when the other end closes before."""
    received = bytearray()
    while len(received) < count:
        if not (chunk := connection.recv(min(_CHUNK, count - len(received)))):
            raise ConnectionResetError
        received += chunk
    return bytes(received)
