"""Several clients of one process: TCP and WebSocket."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sessions import SECONDS, Connect, Session, frame, listening
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from infill_lsp.transport import MOST_UNREAD, BoundedWriter

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"processId": None, "rootUri": None, "capabilities": {}},
}


PAGE = "http://localhost:8080"


@pytest.fixture(scope="module")
def ws_server() -> Iterator[str]:
    for host, port in listening("--ws", "--allow-origin", PAGE):
        yield f"ws://{host}:{port}"


async def test_each_client_gets_its_own_answers(connect: Connect) -> None:
    """Trap P9: with pygls's own TCP server, the second client got the first one's answers."""
    first: Session = await connect(script={"answer": "1"})
    second: Session = await connect(script={"answer": "2"})
    uris = [session.open("x = ", "same.py") for session in (first, second)]
    await first.ready()
    await second.ready()
    answers = await asyncio.gather(first.inline(uris[0], 0, 4), second.inline(uris[1], 0, 4))
    assert [items[0].insert_text for items in answers] == ["1", "2"]


async def test_clients_with_the_same_settings_share_an_engine(
    connect: Connect, tmp_path: Path
) -> None:
    journal = tmp_path / "shared"
    first: Session = await connect(script={"answer": "1", "journal": str(journal)})
    second: Session = await connect(script={"answer": "1", "journal": str(journal)})
    for session in (first, second):
        uri = session.open("x = ", "same.py")
        await session.ready()
        await session.inline(uri, 0, 4)
    ends = [json.loads(line) for line in journal.read_text().splitlines() if '"end"' in line]
    assert [end["forwards"] for end in ends] == [2, 4], "one engine counted both"


async def test_exit_of_one_client_leaves_the_others(
    connect: Connect, tcp_server: tuple[str, int]
) -> None:
    """Trap P10: pygls's `exit` ends the process."""
    stays: Session = await connect()
    reader, writer = await asyncio.open_connection(*tcp_server)
    writer.write(frame(INITIALIZE) + frame({"jsonrpc": "2.0", "method": "exit"}))
    assert b'"result"' in await asyncio.wait_for(reader.read(), SECONDS), "until the end"
    writer.close()
    await stays.ready()
    assert (await stays.command("infill.status"))["kind"] == "Normal"


async def test_a_client_that_vanishes_leaves_the_others(
    connect: Connect, tcp_server: tuple[str, int]
) -> None:
    stays: Session = await connect()
    for _ in range(3):
        _, writer = await asyncio.open_connection(*tcp_server)
        writer.write(frame(INITIALIZE) + b"Content-Length: 1000\r\n\r\n{")
        await writer.drain()
        writer.transport.abort()
    await stays.ready()
    uri = stays.open("x = ")
    assert len(await stays.inline(uri, 0, 4)) == 1


async def test_a_vanished_client_s_request_is_cancelled(
    connect: Connect, tcp_server: tuple[str, int]
) -> None:
    session: Session = await connect(script={"answer": "1", "steps": 100, "step_seconds": 0.05})
    uri = session.open("x = ")
    await session.ready()
    running = asyncio.ensure_future(session.inline(uri, 0, 4))
    await session.journalled("request")
    session.client.protocol.writer.transport.abort()
    session.client.capabilities = None  # no good-bye from this one
    (end,) = await session.journalled("end")
    assert end["cancelled"]
    assert end["forwards"] < 100
    running.cancel()


def test_a_port_that_is_taken(tcp_server: tuple[str, int]) -> None:
    host, port = tcp_server
    code = f"from infill_lsp.transport import serve_tcp; serve_tcp({host!r}, {port}, None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "another port" in done.stderr


async def test_websocket(ws_server: str) -> None:
    async with open_websocket(ws_server) as first, open_websocket(ws_server) as second:
        declared = json.dumps({**INITIALIZE, "id": "two"})
        await first.send(json.dumps(INITIALIZE))
        await second.send(declared.encode())
        assert (await receive(first))["id"] == 0
        assert (await receive(second))["id"] == "two"
        await first.send(json.dumps({"jsonrpc": "2.0", "method": "exit"}))
        with pytest.raises(ConnectionClosed):
            await receive(first)
        await second.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "shutdown"}))
        assert (await receive(second))["result"] is None


async def test_only_listed_pages_may_connect(ws_server: str) -> None:
    """Any web page could open a socket to the loopback interface; one on localhost, too."""
    async with open_websocket(ws_server, origin=PAGE):  # type: ignore[arg-type]
        pass
    for origin in ("https://example.com", "http://localhost:3000", "null", PAGE + ".evil"):
        with pytest.raises(InvalidStatus):
            async with open_websocket(ws_server, origin=origin):  # type: ignore[arg-type]
                pass


async def receive(websocket: Any) -> dict[str, Any]:
    text = await asyncio.wait_for(websocket.recv(), SECONDS)
    assert isinstance(text, str), "text frames, as browsers expect"
    message: dict[str, Any] = json.loads(text)
    return message


async def test_a_client_that_leaves_while_the_model_loads(
    connect: Connect, tcp_server: tuple[str, int], tmp_path: Path
) -> None:
    """The loading is shared: the end of one connection must not cancel it for the other."""
    script = {"load_seconds": 6.0, "journal": str(tmp_path / "shared")}
    leaves: Session = await connect(script=script)
    stays: Session = await connect(script=script)
    await leaves.status("loading")
    await stays.status("loading")
    leaves.client.protocol.writer.transport.abort()
    leaves.client.capabilities = None  # no good-bye from this one
    await stays.ready()


def test_a_client_that_reads_nothing_is_left_before_the_memory_is_full() -> None:
    class Transport:
        unread, aborted = 0, False

        def get_write_buffer_size(self) -> int:
            return self.unread

        def abort(self) -> None:
            self.aborted = True

    class Stream:
        transport, written = Transport(), 0

        def write(self, data: bytes) -> None:
            self.transport.unread += len(data)

    stream = Stream()
    writer = BoundedWriter(stream)  # type: ignore[arg-type]
    while stream.transport.unread <= MOST_UNREAD:
        writer.write(b"x" * 1_000_000)
    with pytest.raises(ConnectionAbortedError):
        writer.write(b"x")
    assert stream.transport.aborted
    assert stream.transport.unread <= MOST_UNREAD + 1_000_000
