"""The HTTP application: who may ask, what is answered, and how it fails.

Knows nothing of tokens' sources nor of sockets (`serving`). A page in the user's browser can reach
every port of this machine, hence the token, no CORS, and the check of the Host header, which keeps
out pages whose name was made to resolve to this machine.
"""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from engine import EngineError, EngineInfo, InfillEngine
from infill_lsp import structuring
from infill_lsp.access import is_loopback, same
from infill_lsp.completer import engine_status
from infill_lsp.endpoint import llamacpp, openai
from infill_lsp.endpoint.gap import BadRequestError, answer
from infill_lsp.settings import Settings

MOST_BYTES = 4 * 1024 * 1024
"""Of a request's body."""
BODY_SECONDS = 30.0
"""Within which it has to come."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(engine: InfillEngine, settings: Settings, token: str) -> web.Application:
    """An application over one engine. Every path but `/health` wants `Authorization: Bearer`."""
    endpoint = _Endpoint(engine, settings)
    app = web.Application(
        middlewares=[_errors_as_json, _this_machine_only, _token_check(token)],
        client_max_size=MOST_BYTES,
    )
    app.router.add_get("/health", endpoint.health)
    app.router.add_get("/v1/models", endpoint.models)
    app.router.add_post("/v1/completions", endpoint.completions)
    app.router.add_post("/infill", endpoint.infill)
    return app


class _Endpoint:
    """The handlers."""

    def __init__(self, engine: InfillEngine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings

    async def health(self, _request: web.Request) -> web.StreamResponse:
        self._info()
        return web.json_response({"status": "ok"})

    async def models(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(openai.models(self._info()))

    async def completions(self, request: web.Request) -> web.StreamResponse:
        gap, info = openai.gap_of(await _body(request)), self._info()
        found = await answer(self._engine, gap, self._settings)
        if gap.stream:
            return await _stream(request, openai.events(found, info))
        return web.json_response(openai.completion(found, info))

    async def infill(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        gap, info = llamacpp.gap_of(body), self._info()
        said = llamacpp.completions(await answer(self._engine, gap, self._settings), info, body)
        if gap.stream:
            return await _stream(request, said)
        return web.json_response(text=_compact(said if gap.fills > 1 else said[0]))

    def _info(self) -> EngineInfo:
        """What is loaded. Raises HTTPServiceUnavailable when nothing is."""
        if (waiting := engine_status(self._engine)) is not None:
            raise web.HTTPServiceUnavailable(text=waiting.message)
        return self._engine.ready.result()


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = structuring.decode(await request.read())
    except TimeoutError:
        raise BadRequestError("the body did not come in time") from None
    except (ValueError, RecursionError):
        raise BadRequestError("the body must be JSON in UTF-8") from None
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object")
    return body


def _compact(said: Any) -> str:
    """JSON as llama.cpp writes it: llama.vim looks for `"content":"` before it reads the rest."""
    return json.dumps(said, separators=(",", ":"))


async def _stream(request: web.Request, events: list[Any]) -> web.StreamResponse:
    """Server-sent events."""
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    for event in events:
        said = event if isinstance(event, str) else _compact(event)
        await response.write(f"data: {said}\n\n".encode())
    await response.write_eof()
    return response


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as OpenAI's clients and llama.cpp's read them. None quotes the request."""
    try:
        return await handler(request)
    except BadRequestError as error:
        return _error(400, str(error))
    except EngineError as error:
        return _error(500, str(error))
    except web.HTTPException as error:
        return _error(error.status, error.text or error.reason, dict(error.headers))


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    kept = {k: v for k, v in (headers or {}).items() if k in ("Allow", "WWW-Authenticate")}
    error = {"code": status, "message": message, "type": "invalid_request_error"}
    if status >= 500:
        error["type"] = "unavailable_error" if status == 503 else "server_error"
    return web.json_response({"error": error}, status=status, headers=kept)


_ASKED: weakref.WeakSet[object] = weakref.WeakSet()


def has_asked(transport: object) -> bool:
    """Whether a request came over a connection, with all of its header."""
    return transport is not None and transport in _ASKED


@web.middleware
async def _this_machine_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.transport is not None:
        _ASKED.add(request.transport)
    try:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    except ValueError:
        host = None
    if not is_loopback(host or ""):
        raise web.HTTPForbidden(text="the Host header must name this machine's loopback address")
    return await handler(request)


def _token_check(token: str) -> Any:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if request.path != "/health" and not same(given, f"Bearer {token}"):
            raise web.HTTPUnauthorized(
                text="send the token as `Authorization: Bearer TOKEN`",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return await handler(request)

    return check
