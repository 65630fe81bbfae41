"""pygls's traps, closed, where a whole process would show less."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from fake_engine import FakeEngine
from lsprotocol import types
from pygls.feature_manager import is_thread_function

from infill_lsp.engines import Engines
from infill_lsp.server import make_server
from infill_lsp.session import InfillServer


class Writer:
    """Remembers what was written, and by which thread."""

    def __init__(self) -> None:
        self.written: list[tuple[int, dict[str, Any]]] = []

    def write(self, data: bytes) -> None:
        body = data.partition(b"\r\n\r\n")[2]
        self.written.append((threading.get_ident(), json.loads(body)))


def connected() -> tuple[InfillServer, Writer]:
    server, writer = make_server(Engines(lambda _config, _progress: FakeEngine())), Writer()
    server.protocol.set_writer(writer)
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    receive(server, {"id": 0, "method": "initialize", "params": params})
    return server, writer


def receive(server: InfillServer, message: dict[str, Any]) -> None:
    server.protocol.receive(json.dumps({"jsonrpc": "2.0", **message}).encode())


async def test_everything_is_written_from_the_loop_s_thread() -> None:
    """Trap P12: a stream writer of asyncio is not safe in another thread."""
    server, writer = connected()
    thread = threading.Thread(target=lambda: server.protocol.notify("didChangeStatus", {}))
    thread.start()
    while len(writer.written) < 2:
        await asyncio.sleep(0.001)
    thread.join()
    assert {ident for ident, _ in writer.written} == {threading.get_ident()}


async def test_no_handler_runs_in_a_thread() -> None:
    """Traps P3 and P4: such a handler cannot be cancelled, and takes the pool's threads."""
    server, _ = connected()
    handlers = [*server.protocol.fm.features.values(), *server.protocol.fm.commands.values()]
    assert handlers
    assert not any(map(is_thread_function, handlers))


async def test_pygls_keeps_no_copy_of_a_document() -> None:
    """Traps P5 and P6 are in that copy, and each keystroke would be paid twice."""
    server, _ = connected()
    item = types.TextDocumentItem("file:///a", "python", 1, "a\x0cb\n")
    server.protocol.lsp_text_document__did_open(types.DidOpenTextDocumentParams(item))
    assert server.documents.keys() == {"file:///a"}
    assert server.workspace.text_documents == {}


async def test_a_handler_s_error_is_logged_without_its_text(caplog: Any) -> None:
    server, writer = connected()

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(_params: types.HoverParams) -> None:
        raise RuntimeError("quotes veryPrivateIdentifier")

    params = {"textDocument": {"uri": "file:///a"}, "position": {"line": 0, "character": 0}}
    receive(server, {"id": 1, "method": "textDocument/hover", "params": params})
    ((_, answer),) = [entry for entry in writer.written if entry[1].get("id") == 1]
    assert answer["error"]["code"] == -32603
    logged = [m for _, m in writer.written if m.get("method") == "window/logMessage"]
    assert "RuntimeError" in json.dumps(logged)
    assert "veryPrivateIdentifier" not in json.dumps(logged)
    own = [r.getMessage() for r in caplog.records if r.name.startswith("infill_lsp")]
    assert own
    assert "veryPrivateIdentifier" not in " ".join(own)


async def test_lone_surrogates_are_sent_as_they_are() -> None:
    server, writer = connected()
    server.protocol.notify("didChangeStatus", {"message": "\ud800"})
    assert writer.written[-1][1]["params"]["message"] == "\ud800"


async def test_a_client_that_is_gone_is_no_error() -> None:
    server, writer = connected()

    def broken(_data: bytes) -> None:
        raise BrokenPipeError

    writer.write = broken  # type: ignore[method-assign]
    server.protocol.notify("didChangeStatus", {})
    server.protocol.notify("didChangeStatus", {})
