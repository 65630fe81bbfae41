"""`infill-lsp serve --http`: a socket on the loopback interface, a token, and one engine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import NoReturn

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

import engine
from engine import EngineError, damaged_files
from infill_lsp.endpoint.app import has_asked, make_app
from infill_lsp.engines import EngineFactory
from infill_lsp.loading import DAMAGED, loaded_name
from infill_lsp.settings import Settings, engine_config
from infill_lsp.transport import HANDSHAKE_SECONDS, MOST_CONNECTIONS, run_to_the_end, set_up_logging

KEEP_ALIVE_SECONDS = 60.0
"""Between two requests of one connection."""


def serve_http(
    host: str,
    port: int,
    settings: Settings,
    token: str,
    start_engine: EngineFactory = engine.load,
) -> NoReturn:
    """Serve until interrupted, and end the process. Port 0 takes a free one, and says which.

    Exit code: 2 when it cannot listen, 3 when the model cannot be loaded.
    """
    run_to_the_end(_serve(host, port, settings, token, start_engine))


async def _serve(
    host: str, port: int, settings: Settings, token: str, start_engine: EngineFactory
) -> int:
    set_up_logging()
    loaded = start_engine(engine_config(settings), lambda _share, _what: None)
    # A client that goes away cancels its handler, and that the engine's work.
    runner = web.AppRunner(
        make_app(loaded, settings, token),
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
    )
    await runner.setup()
    assert runner.server is not None
    loop = asyncio.get_running_loop()
    try:
        listening = await loop.create_server(guarded(runner.server), host, port)
    except OSError as error:
        why = error.strerror or str(error)
        print(f"infill-lsp: cannot listen on {host}: {why}; try another port", file=sys.stderr)
        return 2
    port = listening.sockets[0].getsockname()[1]
    print(f"infill-lsp: listening on http {host}:{port}", file=sys.stderr, flush=True)
    try:
        info = await asyncio.wrap_future(loaded.ready)
        model = loaded_name(settings.model, info)
        if damaged := await asyncio.to_thread(damaged_files, model):
            raise EngineError(DAMAGED.format(model=model, files=", ".join(damaged)))
    except EngineError as error:
        print(f"infill-lsp: {error}", file=sys.stderr)
        return 3
    await asyncio.Event().wait()
    return 0


def guarded(server: web.Server) -> Callable[[], asyncio.Protocol]:
    """Accepts connections, but no flood of them, and none that sends no whole request in time: aiohttp waits
    for the end of a header as long as it takes."""

    def accepted() -> asyncio.Protocol:
        handler = server()
        loop = asyncio.get_running_loop()
        if len(server.connections) >= MOST_CONNECTIONS:
            loop.call_soon(loop.call_soon, _close, handler)  # once it has its transport
        else:
            loop.call_later(HANDSHAKE_SECONDS, _close_if_silent, handler)
        return handler

    return accepted


def _close_if_silent(handler: RequestHandler) -> None:
    if not has_asked(handler.transport):
        _close(handler)


def _close(handler: RequestHandler) -> None:
    if handler.transport is not None:
        handler.transport.abort()
