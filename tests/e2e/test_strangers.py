"""Whoever else can reach a port of this machine: another user, a web page, a scanner."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psutil
import pytest
from sessions import SECONDS, SERVER, frame, listening
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

TOKEN = "a-token-of-this-test"
PAGE = "http://localhost:8080"
PRIVATE = "veryPrivateIdentifier"


def initialize(token: Any = None) -> dict[str, Any]:
    options = {} if token is None else {"infill": {"token": token}}
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    return {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {**params, "initializationOptions": options},
    }


@pytest.fixture(scope="module")
def tcp() -> Iterator[tuple[str, int]]:
    yield from listening("--tcp", "--token", TOKEN)


@pytest.fixture(scope="module")
def ws() -> Iterator[str]:
    for host, port in listening("--ws", "--token", TOKEN, "--allow-origin", PAGE):
        yield f"ws://{host}:{port}"


async def said(address: tuple[str, int], data: bytes) -> bytes:
    """All that a server says to these bytes until it ends the connection."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), SECONDS)
    finally:
        writer.close()


async def test_a_user_with_the_token_is_served(tcp: tuple[str, int]) -> None:
    text = await said(tcp, frame(initialize(TOKEN)) + frame({"jsonrpc": "2.0", "method": "exit"}))
    assert b'"capabilities"' in text


@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], TOKEN + "x", 7, [TOKEN], {"a": TOKEN}])
async def test_over_tcp_nobody_else_is(tcp: tuple[str, int], token: Any) -> None:
    text = await said(tcp, frame(initialize(token)))
    assert b'"capabilities"' not in text
    assert b"initializationOptions.infill.token" in text, "it is said what is missing"


@pytest.mark.parametrize("method", ["textDocument/inlineCompletion", "workspace/executeCommand"])
async def test_nothing_is_answered_before_the_token(tcp: tuple[str, int], method: str) -> None:
    ask = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"command": "infill.status"}}
    text = await said(tcp, frame(ask) + frame({"jsonrpc": "2.0", "method": "exit"}))
    assert b"-32002" in text
    assert b"kind" not in text


@pytest.mark.parametrize(
    "first",
    [b"POST / HTTP/1.1", b"POST http://x:1/ HTTP/1.1", b"GET / HTTP/1.1", b"PUT /a HTTP/1.0"],
)
async def test_a_page_s_request_is_not_taken_for_lsp(tcp: tuple[str, int], first: bytes) -> None:
    """`fetch(..., {mode: "no-cors", body: ...})` needs nobody's leave. Not even with the token."""
    body = json.dumps(initialize(TOKEN)).encode()
    head = b"%b\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    text = await said(tcp, head % (first, len(body)) + body)
    assert b'"capabilities"' not in text
    assert b"-32700" in text


async def test_strangers_may_not_send_much(tcp: tuple[str, int]) -> None:
    """What is too long is read past; nothing of it is kept."""
    big = frame({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": "x" * 2_000_000})
    text = await said(tcp, big + frame({"jsonrpc": "2.0", "method": "exit"}))
    assert b"passed over" in text


async def test_over_websocket_nobody_else_is_served(ws: str) -> None:
    async with open_websocket(ws) as guest:
        await guest.send(json.dumps(initialize()))
        answer = json.loads(await asyncio.wait_for(guest.recv(), SECONDS))
        assert "initializationOptions.infill.token" in answer["error"]["message"]
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(guest.recv(), SECONDS)
    async with open_websocket(ws, origin=PAGE) as friend:  # type: ignore[arg-type]
        await friend.send(json.dumps(initialize(TOKEN)))
        assert "result" in json.loads(await asyncio.wait_for(friend.recv(), SECONDS))


@pytest.mark.parametrize("origin", ["http://localhost", "https://example.com", "null", "file://"])
async def test_a_page_that_is_not_listed_does_not_get_in(ws: str, origin: str) -> None:
    with pytest.raises(InvalidStatus):
        async with open_websocket(ws, origin=origin):  # type: ignore[arg-type]
            pass


async def test_a_message_without_end_is_not_taken(ws: str) -> None:
    async with open_websocket(ws, max_size=None) as guest:
        with contextlib.suppress(ConnectionClosed):
            await guest.send("x" * 17_000_000)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(guest.recv(), SECONDS)


@pytest.fixture
async def hasty() -> AsyncIterator[tuple[tuple[str, int], psutil.Process]]:
    """A server that waits half a second for its clients to say who they are, and takes 8 of them."""
    code = (
        "import sys; sys.path.insert(0, {folder!r}); import serve_fake; from infill_lsp import transport;"
        "transport.HANDSHAKE_SECONDS, transport.MOST_CONNECTIONS = 0.5, 8;"
        "transport.serve_tcp('', 0, 'token', serve_fake.start_engine)"
    ).format(folder=str(SERVER[1]).rpartition("/")[0])
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    host, _, port = process.stderr.readline().rpartition(" ")[2].strip().rpartition(":")
    yield (host, int(port)), psutil.Process(process.pid)
    process.kill()
    process.wait(SECONDS)
    process.stderr.close()


async def test_slow_strangers_are_not_waited_for(
    hasty: tuple[tuple[str, int], psutil.Process],
) -> None:
    """80 of them held their connections for a minute and a half."""
    address, process = hasty
    before = process.num_fds()
    slow = [await asyncio.open_connection(*address) for _ in range(80)]
    for _, writer in slow:
        writer.write(b"Content-Le")
    async with asyncio.timeout(SECONDS):
        for reader, writer in slow:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
    async with asyncio.timeout(SECONDS):
        while process.num_fds() > before:
            await asyncio.sleep(0.05)
    text = await said(
        address, frame(initialize("token")) + frame({"jsonrpc": "2.0", "method": "exit"})
    )
    assert b'"capabilities"' in text, "there is room again"
