"""The server that windows share: one process and one set of engines, a session for each window.

Started by the first window's relay; ends itself a while after the last one is gone. What windows
do not share is the session: settings, documents, status. Engines are told apart by the settings
they are made from, so windows with different models are served side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from typing import NoReturn

import engine
from infill_lsp.engines import EngineFactory, Engines
from infill_lsp.rendezvous import GREETING, LENGTH, UnreachableError, locked
from infill_lsp.server import make_server
from infill_lsp.transport import (
    BoundedWriter,
    converse,
    run_to_the_end,
    set_up_logging,
    socket_chunks,
)

logger = logging.getLogger(__name__)

LINGER_SECONDS = 30.0
"""From the last window's end to the server's: an editor that is restarted finds the model warm."""


def serve_shared(
    place: Path, start_engine: EngineFactory = engine.load, linger: float = LINGER_SECONDS
) -> NoReturn:
    """Serve windows that connect to the socket `place` until there are none; ends the process.

    The process that was started ends at once, with 0, and a child of it serves: an editor that
    ends all descendants of its window's process would end every other window's server.
    """
    if os.fork():
        os._exit(0)
    run_to_the_end(_Shared(place, Engines(start_engine), linger).serve())


class _Shared:
    """Counts windows, and leaves when nobody is left."""

    def __init__(self, place: Path, engines: Engines, linger: float) -> None:
        self._place, self._engines, self._linger = place, engines, linger
        self._windows = 0
        self._changed = asyncio.Event()

    async def serve(self) -> int:
        set_up_logging()
        os.umask(0o077)  # the socket is for this user alone
        listening = await asyncio.start_unix_server(self._connected, self._place)
        socket = self._place.stat().st_ino
        async with listening:
            while True:
                await self._deserted()
                try:
                    with locked(self._place, 0.0):
                        if self._windows == 0:
                            # Somebody may have deleted it, and another server made its own.
                            if self._place.stat().st_ino == socket:
                                self._place.unlink()
                            os._exit(0)
                except UnreachableError:  # a window is coming
                    await asyncio.sleep(0.1)
                except OSError:  # the socket, or its folder, was deleted: nobody can come
                    return 0

    async def _deserted(self) -> None:
        """Returns when there was no window for so long."""
        while True:
            self._changed.clear()
            wait = None if self._windows else self._linger
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                return

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._windows += 1
        self._changed.set()
        try:
            writer.write(GREETING)
            server = make_server(self._engines)
            server.protocol.set_writer(_Chunks(BoundedWriter(writer)))
            await converse(server, socket_chunks(reader))
            code = server.protocol.exit_code
            writer.write(bytes(LENGTH) + bytes([1 if code is None else code]))
        finally:
            self._windows -= 1
            self._changed.set()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class _Chunks:
    """Writes messages so that a relay can tell the last one."""

    def __init__(self, writer: BoundedWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._writer.write(len(data).to_bytes(LENGTH) + data)
