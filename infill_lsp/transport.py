"""Where messages come from and go to: standard input and output, TCP, WebSocket.

One server object per connection over one set of engines. Knows bytes and connections; what a
message says is `protocol`'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import logging.handlers
import os
import queue
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import engine
from infill_lsp.engines import EngineFactory, Engines
from infill_lsp.framing import MOST_BYTES, FrameError, Frames
from infill_lsp.protocol import INVALID_REQUEST, PARSE_ERROR
from infill_lsp.server import make_server
from infill_lsp.session import InfillServer

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_CHUNK = 64 * 1024
_OWN_LOGGERS = ("infill_lsp", "engine")
HANDSHAKE_SECONDS = 10.0
"""From a connection to its client's `initialize`, with a token."""
LAST_SECONDS = 2.0
MOST_CONNECTIONS = 64
MOST_FROM_STRANGERS = 1 << 20
"""Bytes of a message before that."""
MOST_UNREAD = 64 * 1024 * 1024
"""Bytes of answers that a client leaves unread."""
TOO_LONG = f"a message of more than {MOST_BYTES} bytes was passed over"


def serve_stdio(start_engine: EngineFactory = engine.load) -> NoReturn:
    """Serve one client on standard input and output; then ends the process.

    Exit code: 0 when the client said `shutdown` and `exit`, else 1.
    """
    run_to_the_end(_stdio(start_engine))


def serve_tcp(
    host: str, port: int, token: str | None, start_engine: EngineFactory = engine.load
) -> NoReturn:
    """Serve TCP clients until interrupted; port 0 takes a free one, and says which on stderr.

    token: what each client must name (see `access`); None where nobody else reaches the port.
    """
    run_to_the_end(_tcp(host or LOOPBACK, port, token, start_engine))


def serve_ws(
    host: str,
    port: int,
    token: str | None,
    origins: Sequence[str] = (),
    start_engine: EngineFactory = engine.load,
) -> NoReturn:
    """Serve WebSocket clients until interrupted. origins: of the web pages that may connect."""
    run_to_the_end(_ws(host or LOOPBACK, port, token, origins, start_engine))


def run_to_the_end(serving: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a server, and end the process with the code that it returns."""
    try:
        code = asyncio.run(serving)
    except KeyboardInterrupt:
        code = 130
    _say_the_rest()
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


async def _tcp(host: str, port: int, token: str | None, start_engine: EngineFactory) -> int:
    set_up_logging()
    engines, doorkeeper = Engines(start_engine), _Doorkeeper()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with doorkeeper.guest() as admitted:
                if not admitted:
                    return
                server = make_server(engines)
                server.protocol.token = token
                server.protocol.set_writer(BoundedWriter(writer))
                await converse(server, socket_chunks(reader), patience=HANDSHAKE_SECONDS)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    return await _listen("tcp", host, asyncio.start_server(connected, host, port))


async def _ws(
    host: str, port: int, token: str | None, origins: Sequence[str], start_engine: EngineFactory
) -> int:
    from websockets.asyncio.server import serve
    from websockets.exceptions import ConnectionClosed
    from websockets.typing import Origin

    set_up_logging()
    engines, doorkeeper = Engines(start_engine), _Doorkeeper()

    async def connected(websocket: ServerConnection) -> None:
        with doorkeeper.guest() as admitted:
            if not admitted:
                return
            server = make_server(engines)
            server.protocol.token = token
            writer = _SocketMessages(websocket)
            server.protocol.set_writer(writer, include_headers=False)
            sending = asyncio.ensure_future(writer.send_all())
            try:
                await _converse_in_messages(server, websocket)
            except (ConnectionClosed, TimeoutError):
                pass
            finally:
                server.close()
                await writer.finish(sending)

    starting = serve(
        connected,
        host,
        port,
        origins=[None, *(Origin(each) for each in origins)],
        max_size=MOST_BYTES,
        open_timeout=HANDSHAKE_SECONDS,
    )
    return await _listen("ws", host, starting)


async def _converse_in_messages(server: InfillServer, websocket: ServerConnection) -> None:
    """As `converse`. Raises TimeoutError where the client does not say `initialize`."""
    async with asyncio.timeout(HANDSHAKE_SECONDS) as limit:
        async for message in websocket:
            body = message.encode() if isinstance(message, str) else message
            if not await _deliver(server, body):
                return
            if server.protocol.initialized:
                limit.reschedule(None)


class _Doorkeeper:
    """Counts connections, so that nobody's flood takes all descriptors."""

    def __init__(self) -> None:
        self._guests = 0

    @contextlib.contextmanager
    def guest(self) -> Iterator[bool]:
        """While a connection lasts; false where there are too many."""
        self._guests += 1
        try:
            yield self._guests <= MOST_CONNECTIONS
        finally:
            self._guests -= 1


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


async def converse(
    server: InfillServer, chunks: AsyncIterator[bytes], patience: float | None = None
) -> None:
    """Handle messages until the client says `exit`, or is gone.

    patience: seconds until it must have said `initialize`, and little until then; None: it is trusted.
    """
    frames = Frames() if patience is None else Frames(MOST_FROM_STRANGERS)
    try:
        async with asyncio.timeout(patience) as limit:
            async for chunk in _until(server.abandoned, chunks):
                for body in frames.feed(chunk):
                    if not await _deliver(server, body):
                        return
                    if server.protocol.initialized and frames.most < MOST_BYTES:
                        frames.most = MOST_BYTES
                        limit.reschedule(None)
                if frames.skipped:
                    frames.skipped = 0
                    server.protocol.refuse(None, INVALID_REQUEST, TOO_LONG)
                    logger.warning("%s", TOO_LONG)
    except FrameError as error:
        server.protocol.refuse(None, PARSE_ERROR, f"{error}; the connection is closed")
    except (OSError, TimeoutError):  # reset by the client, or it says nothing
        pass
    finally:
        server.close()


async def _until(event: asyncio.Event, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, until something happens."""
    happened = asyncio.ensure_future(event.wait())
    coming: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(chunks, None))
            await asyncio.wait({happened, coming}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done() or (chunk := coming.result()) is None:
                return
            yield chunk
    finally:
        happened.cancel()
        if coming is not None:
            coming.cancel()


async def _deliver(server: InfillServer, body: bytes) -> bool:
    """Handle one message; False after `exit`."""
    await server.protocol.deliver(body)
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


class BoundedWriter:
    """Writes to a client that reads; one that does not is left, before its answers fill the memory."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Raises ConnectionAbortedError when too much is unread."""
        transport = self._writer.transport
        if transport.get_write_buffer_size() > MOST_UNREAD:
            transport.abort()
            logger.warning("a client that reads nothing was left")
            raise ConnectionAbortedError
        self._writer.write(data)


class _SocketMessages:
    """Sends messages over a WebSocket in the order in which they were written."""

    def __init__(self, websocket: ServerConnection) -> None:
        self._websocket = websocket
        self._messages = asyncio.Queue[bytes]()
        self._unread = 0

    def write(self, data: bytes) -> None:
        """Raises ConnectionAbortedError when too much is unread."""
        self._unread += len(data)
        if self._unread > MOST_UNREAD:
            self._websocket.transport.abort()
            raise ConnectionAbortedError
        self._messages.put_nowait(data)

    async def send_all(self) -> None:
        """Runs until it is cancelled or the client is gone."""
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            while True:
                data = await self._messages.get()
                await self._websocket.send(data.decode())
                self._unread -= len(data)

    async def finish(self, sending: asyncio.Future[None]) -> None:
        """Send what is left, for a while, and end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                while self._unread and not sending.done():
                    await asyncio.sleep(0.01)
        sending.cancel()


def _take_standard_streams() -> tuple[int, int]:
    """File descriptors for the protocol. What anything else prints goes to stderr from now on, and
    cannot end up between two messages."""
    source, sink = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    return source, sink


def set_up_logging() -> None:
    """Warnings to stderr, and no user's code among them. Call it in the server's loop.

    A thread writes them: an editor that does not read this process's stderr must not stop the loop.
    """
    handler = _Beside(_SAYING)
    handler.setFormatter(_Reticent())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    threading.Thread(target=_say, name="stderr", daemon=True).start()
    asyncio.get_running_loop().set_exception_handler(_log_failure)


class _Beside(logging.handlers.QueueHandler):
    """Hands records to a thread; drops them where that cannot keep up."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


_SAYING: queue.Queue[logging.LogRecord] = queue.Queue(maxsize=1000)


def _say() -> None:
    while True:
        record = _SAYING.get()
        with contextlib.suppress(OSError):
            os.write(2, f"{record.getMessage()}\n".encode(errors="replace"))
        _SAYING.task_done()


def _say_the_rest() -> None:
    """Before the process ends, but not for long."""
    deadline = time.monotonic() + LAST_SECONDS
    while _SAYING.unfinished_tasks and time.monotonic() < deadline:
        time.sleep(0.005)


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
