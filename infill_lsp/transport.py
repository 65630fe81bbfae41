"""Where messages come from and go to: standard input and output, TCP, WebSocket.

One server object per connection over one set of engines. Knows bytes and connections; what a
message says is `protocol`'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

import engine
from infill_lsp.engines import EngineFactory, Engines
from infill_lsp.framing import FrameError, Frames
from infill_lsp.protocol import PARSE_ERROR
from infill_lsp.server import make_server
from infill_lsp.session import InfillServer

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_CHUNK = 64 * 1024
_OWN_LOGGERS = ("infill_lsp", "engine")
_LOCAL_PAGE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


def serve_stdio(start_engine: EngineFactory = engine.load) -> NoReturn:
    """Serve one client on standard input and output; then ends the process.

    Exit code: 0 when the client said `shutdown` and `exit`, else 1.
    """
    run_to_the_end(_stdio(start_engine))


def serve_tcp(host: str, port: int, start_engine: EngineFactory = engine.load) -> NoReturn:
    """Serve TCP clients until interrupted; port 0 takes a free one, and says which on stderr."""
    run_to_the_end(_tcp(host or LOOPBACK, port, start_engine))


def serve_ws(host: str, port: int, start_engine: EngineFactory = engine.load) -> NoReturn:
    """Serve WebSocket clients until interrupted. A web page may connect only from this machine."""
    run_to_the_end(_ws(host or LOOPBACK, port, start_engine))


def run_to_the_end(serving: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a server, and end the process with the code that it returns."""
    try:
        code = asyncio.run(serving)
    except KeyboardInterrupt:
        code = 130
    sys.stderr.flush()
    # A thread may be in the middle of loading a model. An orderly end would wait for it for
    # seconds, and then abort: native code does not survive the interpreter's end.
    os._exit(code)


async def _stdio(start_engine: EngineFactory) -> int:
    set_up_logging()
    source, sink = _take_standard_streams()
    server = make_server(Engines(start_engine))
    server.protocol.set_writer(_PipeWriter(sink))
    await converse(server, _pipe_chunks(source))
    code = server.protocol.exit_code
    return 1 if code is None else code


async def _tcp(host: str, port: int, start_engine: EngineFactory) -> int:
    set_up_logging()
    engines = Engines(start_engine)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = make_server(engines)
        server.protocol.set_writer(writer)
        try:
            await converse(server, socket_chunks(reader))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    return await _listen("tcp", host, asyncio.start_server(connected, host, port))


async def _ws(host: str, port: int, start_engine: EngineFactory) -> int:
    from websockets.asyncio.server import serve
    from websockets.exceptions import ConnectionClosed

    set_up_logging()
    engines = Engines(start_engine)

    async def connected(websocket: ServerConnection) -> None:
        server = make_server(engines)
        writer = _SocketMessages(websocket)
        server.protocol.set_writer(writer, include_headers=False)
        sending = asyncio.ensure_future(writer.send_all())
        try:
            async for message in websocket:
                body = message.encode() if isinstance(message, str) else message
                if not await _deliver(server, body):
                    break
        except ConnectionClosed:
            pass
        finally:
            server.close()
            sending.cancel()

    starting = serve(connected, host, port, origins=[None, _LOCAL_PAGE], max_size=None)
    return await _listen("ws", host, starting)


async def _listen(name: str, host: str, starting: Awaitable[Any]) -> int:
    """Serve until interrupted; the exit code when that cannot begin."""
    try:
        listening = await starting
    except OSError as error:
        why = error.strerror or str(error)
        print(f"infill-lsp: cannot listen on {host}: {why}; try another port", file=sys.stderr)
        return 2
    port = listening.sockets[0].getsockname()[1]
    print(f"infill-lsp: listening on {name} {host}:{port}", file=sys.stderr, flush=True)
    async with listening:
        await listening.serve_forever()
    return 0


async def converse(server: InfillServer, chunks: AsyncIterator[bytes]) -> None:
    """Handle messages until the client says `exit`, or is gone."""
    frames = Frames()
    try:
        async for chunk in chunks:
            for body in frames.feed(chunk):
                if not await _deliver(server, body):
                    return
    except FrameError as error:
        server.protocol.refuse(None, PARSE_ERROR, f"{error}; the connection is closed")
    except OSError:  # reset by the client
        pass
    finally:
        server.close()


async def _deliver(server: InfillServer, body: bytes) -> bool:
    """Handle one message; False after `exit`."""
    server.protocol.receive(body)
    # Lets a request's handler look at its document before the next message changes it.
    await asyncio.sleep(0)
    return server.protocol.exit_code is None


async def socket_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What arrives, until the other end closes."""
    while chunk := await reader.read(_CHUNK):
        yield chunk


async def _pipe_chunks(source: int) -> AsyncIterator[bytes]:
    """Chunks of a file descriptor, read by a thread of its own: a pool's thread might be busy, and
    would keep the process from ending."""
    loop, chunks = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def read() -> None:
        chunk = b"?"
        while chunk:
            try:
                chunk = os.read(source, _CHUNK)
            except OSError:
                chunk = b""
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while chunk := await chunks.get():
        yield chunk


class _PipeWriter:
    """Writes whole messages to a file descriptor."""

    def __init__(self, sink: int) -> None:
        self._sink = sink

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._sink, left) :]


class _SocketMessages:
    """Sends messages over a WebSocket in the order in which they were written."""

    def __init__(self, websocket: ServerConnection) -> None:
        self._websocket = websocket
        self._messages = asyncio.Queue[bytes]()

    def write(self, data: bytes) -> None:
        self._messages.put_nowait(data)

    async def send_all(self) -> None:
        """Runs until it is cancelled or the client is gone."""
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._websocket.send((await self._messages.get()).decode())


def _take_standard_streams() -> tuple[int, int]:
    """File descriptors for the protocol. What anything else prints goes to stderr from now on, and
    cannot end up between two messages."""
    source, sink = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    return source, sink


def set_up_logging() -> None:
    """Warnings to stderr, and no user's code among them. Call it in the server's loop."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Reticent())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    asyncio.get_running_loop().set_exception_handler(_log_failure)


class _Reticent(logging.Formatter):
    """Prints no argument and no exception's text of anyone else's record: pygls logs whole
    messages, which hold a user's code."""

    def format(self, record: logging.LogRecord) -> str:
        own = record.name.partition(".")[0] in _OWN_LOGGERS
        said = record.getMessage() if own else str(record.msg)
        kind = f" ({record.exc_info[0].__name__})" if record.exc_info and record.exc_info[0] else ""
        return f"{record.levelname} {record.name}: {said}{kind}"


def _log_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    logger.error("internal error beside a request: %s", type(error).__name__ if error else "?")
