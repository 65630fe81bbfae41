"""A window's end of the shared server: finds it or starts it, then passes bytes on.

What an editor starts is this process. It holds no model, no document and no library of the
protocol's, so that the second window costs little.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from infill_lsp.rendezvous import (
    GREETING,
    LENGTH,
    SUPPORTED,
    UnreachableError,
    locked,
    meeting_place,
)

STARTING_SECONDS = 20.0
"""How long a server may take from its start to the first connection; it does not wait for torch."""
GREETING_SECONDS = 10.0
"""How long one that runs may take to greet; while it imports torch, it is slow to."""
_CHUNK = 64 * 1024


def serve_stdio(command: Sequence[str]) -> int:
    """Connect standard input and output with the server that `command` and a socket's path start.

    Returns the exit code: the server's word, or 1 when it is gone. Raises UnreachableError before any
    byte of standard input is read.
    """
    connection = connect(command)
    threading.Thread(target=_send, args=(connection,), name="stdin", daemon=True).start()
    return _receive(connection)


def connect(command: Sequence[str]) -> socket.socket:
    """A connection to the shared server, started if need be. Raises UnreachableError."""
    if not SUPPORTED:
        raise UnreachableError("there is none on Windows")
    try:
        place = meeting_place(command)
        with locked(place, STARTING_SECONDS + GREETING_SECONDS):
            return _greeted(place) or _started(command, place)
    except OSError as error:
        raise UnreachableError(str(error)) from error


def _started(command: Sequence[str], place: Path) -> socket.socket:
    place.unlink(missing_ok=True)
    log = place.with_suffix(".log")
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


def _send(connection: socket.socket) -> None:
    try:
        while chunk := os.read(0, _CHUNK):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
    except OSError:  # the server is gone; `_receive` notices
        pass


def _receive(connection: socket.socket) -> int:
    try:
        while length := int.from_bytes(_exactly(connection, LENGTH)):
            left = memoryview(_exactly(connection, length))
            while left:
                left = left[os.write(1, left) :]
        return _exactly(connection, 1)[0]
    except BrokenPipeError:  # the editor is gone
        return 1
    except OSError:
        print("infill-lsp: the shared server is gone", file=sys.stderr)
        return 1


def _exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes. Raises OSError when the other end closes before."""
    received = bytearray()
    while len(received) < count:
        if not (chunk := connection.recv(min(_CHUNK, count - len(received)))):
            raise ConnectionResetError
        received += chunk
    return bytes(received)
