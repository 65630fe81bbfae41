"""`infill-lsp serve --http`: a socket on the loopback interface, a token, and one engine."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from pathlib import Path
from typing import NoReturn

from aiohttp import web

import engine
from engine import EngineError
from infill_lsp.endpoint.app import make_app
from infill_lsp.engines import EngineFactory
from infill_lsp.settings import Settings, engine_config
from infill_lsp.transport import run_to_the_end, set_up_logging

TOKEN_VARIABLE = "INFILL_HTTP_TOKEN"


class TokenError(Exception):
    """There is no token where it should be. The message says what to do."""


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


def token_from(file: Path | None) -> str:
    """The token: out of a file, else out of the environment, else a new one, which is printed.
    Raises TokenError."""
    if file is None and (token := os.environ.get(TOKEN_VARIABLE, "").strip()):
        return token
    if file is None:
        token = secrets.token_urlsafe(24)
        print(f"infill-lsp: token: {token}", file=sys.stderr)
        return token
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise TokenError(f"cannot read the token in {file}: {error}") from error
    if not token:
        raise TokenError(f"{file} is empty; write a token into it, e.g. `openssl rand -hex 24`")
    return token


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
        await asyncio.wrap_future(loaded.ready)
    except EngineError as error:
        print(f"infill-lsp: {error}", file=sys.stderr)
        return 3
    await asyncio.Event().wait()
    return 0
