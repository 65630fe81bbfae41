"""`infill-lsp serve --http`: a socket on the loopback interface, a token, and one engine."""

from __future__ import annotations

import asyncio
import sys
from typing import NoReturn

from aiohttp import web

import engine
from engine import EngineError, damaged_files
from infill_lsp.endpoint.app import make_app
from infill_lsp.engines import EngineFactory
from infill_lsp.loading import DAMAGED
from infill_lsp.settings import Settings, engine_config
from infill_lsp.transport import run_to_the_end, set_up_logging


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
        make_app(loaded, settings, token), handler_cancellation=True, access_log=None
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        why = error.strerror or str(error)
        print(f"infill-lsp: cannot listen on {host}: {why}; try another port", file=sys.stderr)
        return 2
    port = runner.addresses[0][1]
    print(f"infill-lsp: listening on http {host}:{port}", file=sys.stderr, flush=True)
    try:
        info = await asyncio.wrap_future(loaded.ready)
        model = "bundled" if info.instead else settings.model
        if damaged := await asyncio.to_thread(damaged_files, model):
            raise EngineError(DAMAGED.format(model=model, files=", ".join(damaged)))
    except EngineError as error:
        print(f"infill-lsp: {error}", file=sys.stderr)
        return 3
    await asyncio.Event().wait()
    return 0
