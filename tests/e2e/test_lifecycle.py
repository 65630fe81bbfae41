"""initialize, shutdown, exit, and what a client may do wrong in between."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pipe import Pipe
from pygls.exceptions import JsonRpcException
from sessions import SECONDS, SERVER, Connect, Session, frame, inline_params

MARKER = "veryPrivateIdentifier"


def test_shutdown_then_exit_is_success() -> None:
    pipe = Pipe()
    pipe.initialize()
    pipe.send({"id": 1, "method": "shutdown"}, {"method": "exit"})
    assert pipe.receive(1)["result"] is None
    assert pipe.process.wait(SECONDS) == 0, "ends by itself, with standard input still open"
    pipe.end()


def test_progress_ends_although_the_client_never_let_it_begin() -> None:
    """Helix shows that something is going on from the token's creation to its end."""
    pipe = Pipe()
    pipe.initialize(window={"workDoneProgress": True})
    created = pipe.find(lambda sent: sent.get("method") == "window/workDoneProgress/create")
    progress = pipe.find(lambda sent: sent.get("method") == "$/progress")
    assert progress["params"] == {**created["params"], "value": {"kind": "end"}}
    pipe.end()


def test_exit_while_the_model_loads() -> None:
    """The engine's thread cannot be interrupted then; the process must not wait for it."""
    pipe = Pipe()
    options = {"infill": {"model": '{"load_seconds": 60}'}}
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    pipe.send(
        {"id": 0, "method": "initialize", "params": {**params, "initializationOptions": options}},
        {"method": "initialized", "params": {}},
        {"id": 1, "method": "shutdown"},
        {"method": "exit"},
    )
    assert pipe.process.wait(SECONDS) == 0
    assert pipe.end()[1] == ""


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    """`initialize` would wait for seconds."""
    code = "import infill_lsp.transport, sys; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def test_exit_without_shutdown_is_failure() -> None:
    pipe = Pipe()
    pipe.initialize()
    pipe.send({"method": "exit"})
    assert pipe.process.wait(SECONDS) == 1
    pipe.end()


def test_the_end_of_input_ends_the_process() -> None:
    """An editor that crashed: nobody will say `exit`."""
    pipe = Pipe()
    pipe.initialize()
    code, said = pipe.end()
    assert (code, said) == (1, "")


@pytest.mark.parametrize("left", [b"Content-Length: 100\r\n\r\n{", b"Content-", b""])
def test_input_that_ends_within_a_message(left: bytes) -> None:
    pipe = Pipe()
    pipe.write(left)
    assert pipe.end() == (1, "")


def test_broken_messages_are_refused_and_the_server_lives_on() -> None:
    pipe = Pipe()
    pipe.initialize()
    for body, code in [
        (b"{not json", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b'"text"', -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "x"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "x"}', -32600),
    ]:
        pipe.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        assert pipe.receive(None)["error"]["code"] == code, body[:20]
    pipe.send({"id": 5, "method": "no/such/method"})
    assert pipe.receive(5)["error"]["code"] == -32601
    pipe.send({"method": "no/such/notification"}, {"id": 77, "result": "to nothing asked"})
    pipe.send({"id": 6, "method": "shutdown"})
    assert pipe.receive(6)["result"] is None
    pipe.end()


def test_bytes_that_are_no_message_end_the_connection() -> None:
    pipe = Pipe()
    pipe.initialize()
    pipe.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert pipe.receive(None)["error"]["code"] == -32700
    assert pipe.process.wait(SECONDS) == 1
    pipe.end()


def test_requests_too_early_and_too_late() -> None:
    pipe = Pipe()
    method = "textDocument/inlineCompletion"
    pipe.send({"id": 1, "method": method, "params": inline_params("file:///a", 0, 0)})
    assert pipe.receive(1)["error"]["code"] == -32002
    pipe.initialize()
    pipe.send({"id": 2, "method": "shutdown"})
    pipe.receive(2)
    pipe.send({"id": 3, "method": method, "params": inline_params("file:///a", 0, 0)})
    assert pipe.receive(3)["error"]["code"] == -32600
    pipe.send({"method": "exit"})
    assert pipe.process.wait(SECONDS) == 0
    pipe.end()


def test_user_code_is_never_logged() -> None:
    """Trap P11: at INFO, pygls logs every message; at WARNING still the parameters of a
    notification whose handler fails."""
    pipe = Pipe()
    pipe.initialize()
    uri = "file:///a.py"
    document = {"uri": uri, "languageId": "python", "version": 1, "text": f"{MARKER} = 1\n"}
    pipe.send(
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
        {"method": "textDocument/didChange", "params": {"contentChanges": MARKER}},
        {"method": "textDocument/didClose", "params": {"textDocument": {"uri": [MARKER]}}},
        {"method": "workspace/didChangeConfiguration", "params": {"settings": {MARKER: MARKER}}},
        {"id": 1, "method": "workspace/executeCommand", "params": {"command": MARKER}},
        {"id": 2, "method": "textDocument/hover", "params": {MARKER: [MARKER]}},
    )
    pipe.receive(2)
    pipe.receive(1)
    pipe.send({"id": 3, "method": "shutdown"}, {"method": "exit"})
    _, said = pipe.end()
    assert "ignored" in said, "it is said that something was wrong"
    assert MARKER not in said


def test_a_full_thread_pool_makes_nothing_wait() -> None:
    """Trap P4: pygls reads standard input with threads of the pool that handlers use."""
    pipe = Pipe("--busy-pool")
    pipe.initialize()
    began = time.monotonic()
    pipe.send(
        {"id": 1, "method": "workspace/executeCommand", "params": {"command": "infill.status"}}
    )
    pipe.receive(1)
    assert time.monotonic() - began < 0.9, "the pool's sleepers sleep for a second each"
    pipe.process.kill()
    pipe.end()


def test_nothing_else_reaches_standard_output(tmp_path: Path) -> None:
    """What a library prints would end up between two messages."""
    script = tmp_path / "noisy.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(SERVER[1]).parent)!r})\n"
        "import serve_fake\n"
        "from infill_lsp import transport\n"
        "def start(config, on_progress):\n"
        "    print('noise'); sys.stdout.flush()\n"
        "    return serve_fake.start_engine(config, on_progress)\n"
        "transport.serve_stdio(start)\n"
    )
    process = subprocess.Popen(
        [SERVER[0], str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    out, said = process.communicate(
        frame({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        + frame({"jsonrpc": "2.0", "method": "initialized", "params": {}})
        + frame({"jsonrpc": "2.0", "id": 1, "method": "shutdown"})
        + frame({"jsonrpc": "2.0", "method": "exit"}),
        timeout=SECONDS,
    )
    assert b"noise" in said
    assert b"noise" not in out


async def test_initialize_twice_is_refused(connect: Connect) -> None:
    session: Session = await connect()
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    (answer,) = session.send({"id": "again", "method": "initialize", "params": params})
    with pytest.raises(JsonRpcException) as refused:
        await asyncio.wait_for(answer, SECONDS)
    assert refused.value.code == -32600


@pytest.mark.parametrize(
    ("editor", "encoding"),
    [("vscode", "utf-16"), ("neovim-0.12", "utf-8"), ("neovim-0.11", "utf-8")],
)
async def test_the_editor_s_first_encoding_is_taken(
    connect: Connect, editor: str, encoding: str
) -> None:
    session: Session = await connect(editor)
    assert session.result.capabilities.position_encoding == encoding


def test_a_client_that_does_not_read_what_is_said_on_stderr() -> None:
    """Its pipe is full after 64 KiB; that must not stop the server."""
    pipe = Pipe()
    pipe.initialize()
    wrong = {"method": "textDocument/didClose", "params": {"textDocument": {"uri": 7}}}
    for number in range(60):
        pipe.send(*[wrong] * 100, {"id": number, "method": "no/such"})
        assert pipe.receive(number)["error"]["code"] == -32601
    pipe.process.kill()
    assert len(pipe.end()[1]) > 50_000
