"""Keys for a program that shows itself by VNC, as Qt's can (`QT_QPA_PLATFORM=vnc`)."""

from __future__ import annotations

import socket
import struct

KEYSYMS = {
    "\b": 0xFF08,
    "tab": 0xFF09,
    "\n": 0xFF0D,
    "escape": 0xFF1B,
    "home": 0xFF50,
    "down": 0xFF54,
    "end": 0xFF57,
    "ctrl": 0xFFE3,
}
"""X's numbers of the keys that are not letters."""


class Vnc:
    """A connection that sends keys (RFC 6143). It never asks for pictures, so none come."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._receive(12)  # the server's version; each knows the oldest, which says least
        self._socket.sendall(b"RFB 003.003\n")
        (security,) = struct.unpack(">I", self._receive(4))
        assert security == 1, "it wants a password"
        self._socket.sendall(b"\x01")  # others may look, too
        (name,) = struct.unpack(">20xI", self._receive(24))  # behind the screen's size
        self._receive(name)

    def press(self, *keys: str) -> None:
        """Keys one after another: letters or names; "ctrl-s" holds one while the other is pressed."""
        for key in keys:
            held = key.split("-") if len(key) > 1 else [key]
            numbers = [KEYSYMS.get(name) or ord(name) for name in held]
            for down, number in [(1, n) for n in numbers] + [(0, n) for n in reversed(numbers)]:
                self._socket.sendall(struct.pack(">BBxxI", 4, down, number))

    def close(self) -> None:
        self._socket.close()

    def _receive(self, size: int) -> bytes:
        return self._socket.recv(size, socket.MSG_WAITALL)
