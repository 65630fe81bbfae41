"""pygls's traps, closed, where a whole process would show less."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

import pytest
from fake_engine import FakeEngine
from lsprotocol import types
from pygls.feature_manager import is_thread_function

from infill_lsp import structuring
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


def opened(server: InfillServer, uri: str, text: str) -> None:
    document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    receive(server, {"method": "textDocument/didOpen", "params": {"textDocument": document}})


def changed(uri: str, changes: Any, version: int = 2) -> dict[str, Any]:
    params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": changes}
    return {"method": "textDocument/didChange", "params": params}


@pytest.mark.parametrize("odd", [[], {}, None, 1.5, "x", True, [[1]], {"id": 1}])
async def test_an_odd_id_to_cancel_ends_nothing(odd: Any) -> None:
    server, writer = connected()
    receive(server, {"method": "$/cancelRequest", "params": {"id": odd}})
    receive(server, {"id": 1, "method": "shutdown"})
    assert writer.written[-1][1] == {"jsonrpc": "2.0", "id": 1, "result": None}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("changes", ["x" * 1_000_000, [7] * 1_000_000, {"text": "x"}, [{}], 7])
async def test_changes_that_are_none_cost_nothing_and_are_not_guessed_at(changes: Any) -> None:
    """The text is the editor's; a mirror that may be wrong is worse than none."""
    server, writer = connected()
    opened(server, "file:///a", "x = 1")
    began = time.process_time()
    receive(server, changed("file:///a", changes))
    assert time.process_time() - began < 2.0, "half a minute, once"
    assert "file:///a" not in server.documents
    assert "closed and opened again" in json.dumps(writer.written[-1][1])
    opened(server, "file:///a", "y = 1")
    assert server.documents["file:///a"].text == "y = 1"


async def test_many_changes_leave_turns_to_others() -> None:
    server, _ = connected()
    opened(server, "file:///a", "x = 1\n" * 20_000)
    zero = {"line": 10_000, "character": 0}
    change = {"range": {"start": zero, "end": zero}, "text": "y"}
    body = json.dumps({"jsonrpc": "2.0", **changed("file:///a", [change] * 3000)}).encode()
    longest, done = 0.0, False

    async def others() -> None:
        nonlocal longest
        while not done:
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - began)

    turns = asyncio.ensure_future(others())
    await asyncio.sleep(0)
    await server.protocol.deliver(body)
    done = True
    await turns
    assert server.documents["file:///a"].text.count("y") == 3000
    assert longest < 0.5


async def test_half_a_surrogate_pair_is_replaced_at_the_door() -> None:
    """No tokenizer reads it; it counts one unit of UTF-16, as its replacement does."""
    server, _ = connected()
    opened(server, "file:///a", "a\ud83d\ude00b\ud800c")
    assert server.documents["file:///a"].text == "a\U0001f600b\ufffdc"
    place = {"line": 0, "character": 5}
    receive(
        server, changed("file:///a", [{"range": {"start": place, "end": place}, "text": "\udc00"}])
    )
    assert server.documents["file:///a"].text == "a\U0001f600b\ufffd\ufffdc"


async def test_a_notification_sent_as_a_request_is_answered() -> None:
    server, writer = connected()
    for number, method in enumerate(["initialized", "textDocument/didOpen", "$/cancelRequest"], 5):
        receive(server, {"id": number, "method": method, "params": {}})
        assert writer.written[-1][1]["error"]["code"] == -32600
        assert writer.written[-1][1]["id"] == number


async def test_nothing_is_heard_before_initialize() -> None:
    server, writer = make_server(Engines(lambda _config, _progress: FakeEngine())), Writer()
    server.protocol.set_writer(writer)
    opened(server, "file:///a", "x")
    assert not server.documents


async def test_a_handler_that_cannot_be_called_is_an_error_not_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, writer = connected()

    def broken(_message: Any) -> None:
        raise RuntimeError("quotes veryPrivateIdentifier")

    monkeypatch.setattr(server.protocol, "handle_message", broken)
    receive(server, {"id": 1, "method": "shutdown"})
    assert writer.written[-1][1]["error"] == {"code": -32603, "message": "internal error"}


async def test_who_holds_the_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    server, _ = connected()

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(_params: types.HoverParams) -> None:
        time.sleep(0.25)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(_params: types.DefinitionParams) -> None:
        await asyncio.sleep(0.3)
        time.sleep(0.25)

    params = {"textDocument": {"uri": "file:///a"}, "position": {"line": 0, "character": 0}}
    receive(server, {"id": 1, "method": "textDocument/hover", "params": params})
    receive(server, {"id": 2, "method": "textDocument/definition", "params": params})
    await asyncio.sleep(0.7)
    said = [r.getMessage() for r in caplog.records if "held the message loop" in r.getMessage()]
    assert [each.split(" ")[0] for each in said] == ["textDocument/hover", "definition"]


async def test_a_wrong_token_ends_the_connection_and_a_right_one_is_no_setting() -> None:
    for given, code in [(None, 1), ("", 1), ("rights", 1), (["right"], 1), ("right", None)]:
        server, writer = make_server(Engines(lambda _config, _progress: FakeEngine())), Writer()
        server.protocol.token = "right"
        server.protocol.set_writer(writer)
        params = {"processId": None, "rootUri": None, "capabilities": {}}
        options = {"infill": {"token": given, "variants": 2}}
        receive(
            server,
            {
                "id": 0,
                "method": "initialize",
                "params": {**params, "initializationOptions": options},
            },
        )
        assert server.protocol.exit_code == code
        assert server.protocol.initialized is (code is None)
        assert ("error" in writer.written[-1][1]) is (code is not None)
        assert "is not a setting" not in json.dumps([sent for _, sent in writer.written])


def test_enumerations_are_enumerations() -> None:
    """They are subclasses of numbers and texts, whose types are checked."""
    place = {"textDocument": {"uri": "file:///a"}, "position": {"line": 0, "character": 0.0}}
    params = {**place, "context": {"triggerKind": 2}}
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "textDocument/inlineCompletion",
        "params": params,
    }
    kind = types.InlineCompletionRequest
    found = structuring.converter().structure(message, kind).params
    assert found.context.trigger_kind is types.InlineCompletionTriggerKind.Automatic
    assert found.position.character == 0
    for wrong in ("2", True, 9, [2], None):
        params["context"] = {"triggerKind": wrong}
        with pytest.raises(Exception):  # noqa: B017, PT011 - of many kinds
            structuring.converter().structure(message, kind)
