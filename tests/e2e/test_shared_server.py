"""Several windows, one server: relays, and the process that they share."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from pipe import Pipe
from serve_fake import LINGER
from sessions import SECONDS, SERVER, inline_params, shared_servers

from infill_lsp import relay, rendezvous
from infill_lsp.commands import serve

RELAY = (*SERVER, "--relay")
REAL = (sys.executable, "-m", "infill_lsp.cli")
URI = "file:///folder/a.py"

pytestmark = pytest.mark.usefixtures("runtime")


def until(condition: Callable[[], Any], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come so far"
        time.sleep(0.02)


def window(command: tuple[str, ...] = RELAY, **settings: Any) -> Pipe:
    """An editor's window whose server is ready, with one open document."""
    pipe = Pipe(command=command)
    model = {"model": json.dumps(script)} if (script := settings.pop("script", None)) else {}
    pipe.initialize({"infill": {**model, **settings}})
    pipe.find(lambda sent: is_status(sent, "Normal", busy=False))
    document = {"uri": URI, "languageId": "python", "version": 1, "text": "x = "}
    pipe.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
    return pipe


def is_status(sent: dict[str, Any], kind: str, *, busy: bool) -> bool:
    status = sent.get("params") or {}
    return sent.get("method") == "didChangeStatus" and (status["kind"], status["busy"]) == (
        kind,
        busy,
    )


def suggest(pipe: Pipe, message_id: int = 5) -> list[str]:
    pipe.send(
        {
            "id": message_id,
            "method": "textDocument/inlineCompletion",
            "params": inline_params(URI, 0, 4),
        }
    )
    return [item["insertText"] for item in pipe.receive(message_id)["result"]["items"]]


def change(pipe: Pipe, version: int, text: str) -> None:
    changed = {"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": text}]}
    pipe.send({"method": "textDocument/didChange", "params": changed})


def leave(pipe: Pipe) -> tuple[int, str]:
    pipe.send({"id": 9, "method": "shutdown"}, {"method": "exit"})
    return pipe.end()


def test_two_windows_share_a_model_and_not_their_settings(runtime: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    script = {"answer": "1", "journal": str(journal)}
    first = window(script=script)
    second = window(script=script, automatic=False)
    assert len(shared_servers(runtime)) == 1
    assert (suggest(first), suggest(second)) == (["1"], [])
    third = window(script={"answer": "another model"})
    assert suggest(third) == ["another model"]
    assert len(shared_servers(runtime)) == 1
    assert [leave(pipe) for pipe in (first, second, third)] == [(0, "")] * 3


def test_the_server_goes_a_while_after_the_last_window(runtime: Path) -> None:
    stays, leaves = window(), window()
    leave(leaves)
    time.sleep(1.5 * LINGER)
    assert suggest(stays) == ["pass"], "not while there is a window"
    leave(stays)
    assert shared_servers(runtime), "an editor that is restarted finds it warm"
    until(lambda: not shared_servers(runtime))
    assert not list(runtime.glob("**/*.sock"))
    again = window()
    assert suggest(again) == ["pass"]
    leave(again)


def test_the_server_is_no_window_s_child(runtime: Path) -> None:
    """VS Code ends a server that is slow to stop together with all its descendants."""
    pipe = window()
    (server,) = shared_servers(runtime)
    assert psutil.Process(pipe.process.pid) not in server.parents()
    assert not psutil.Process(pipe.process.pid).children()
    leave(pipe)


def test_windows_that_open_at_once_start_one_server(runtime: Path) -> None:
    windows: list[Pipe] = []
    threads = [threading.Thread(target=lambda: windows.append(window())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * SECONDS)
    assert len(windows) == 3
    assert len(shared_servers(runtime)) == 1
    assert [leave(pipe) for pipe in windows] == [(0, "")] * 3


def test_a_window_that_crashes_harms_no_other(runtime: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    stays = window()
    crashes = window(script={"steps": 200, "step_seconds": 0.05, "journal": str(journal)})
    request = {"id": 5, "method": "textDocument/inlineCompletion"}
    crashes.send({**request, "params": inline_params(URI, 0, 4)})
    until(lambda: journal.exists() and "request" in journal.read_text())
    crashes.process.kill()
    until(lambda: '"end"' in journal.read_text())
    assert json.loads(journal.read_text().splitlines()[-1])["cancelled"]
    assert suggest(stays) == ["pass"]
    crashes.end()
    leave(stays)


def test_a_window_that_reads_nothing_harms_no_other(runtime: Path) -> None:
    """Its answers pile up; the others' must not wait behind them."""
    stays, hangs = window(), window(script={"answer": "x" * 100_000})
    for message_id in range(100, 140):  # 4 MB and more, beyond every pipe's buffer
        params = inline_params(URI, 0, 4)
        hangs.send({"id": message_id, "method": "textDocument/inlineCompletion", "params": params})
    assert suggest(stays) == ["pass"]
    leave(stays)
    hangs.process.kill()
    hangs.end()


def test_a_server_that_is_killed(runtime: Path, tmp_path: Path) -> None:
    """Windows go on with the next one, which knows their documents as they are now."""
    journal = tmp_path / "journal"
    first = window(script={"answer": "1", "journal": str(journal)})
    second = window(script={"answer": "2"})
    change(first, 2, "x = \n# typed before\n")
    (server,) = shared_servers(runtime)
    server.send_signal(signal.SIGKILL)
    until(lambda: not server.is_running())
    change(first, 3, "x = \n# typed meanwhile\n")
    status = first.find(lambda sent: is_status(sent, "Warning", busy=True))
    assert status["params"]["message"] == (
        "the shared server ended unexpectedly; it is started again"
    )
    for pipe, answer in ((first, "1"), (second, "2")):
        pipe.find(lambda sent: is_status(sent, "Normal", busy=False))
        assert suggest(pipe, 50) == [answer], "with its own settings"
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    asked = [each for each in entries if each["event"] == "request"]
    assert asked[-1]["suffix"] == "\n# typed meanwhile\n"
    assert len(shared_servers(runtime)) == 1
    # The second may say that it found the first one's socket dead.
    assert [leave(pipe)[0] for pipe in (first, second)] == [0, 0]


def test_a_server_that_hangs_is_replaced(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    impatient = tmp_path / "impatient.py"
    impatient.write_text(
        f"import sys; sys.path.insert(0, {str(Path(SERVER[1]).parent)!r}); sys.argv[0] = {SERVER[1]!r}\n"
        "import serve_fake; from infill_lsp import relay; serve_fake.__file__ = sys.argv[0]\n"
        "relay.PING_SECONDS, relay.SILENT_SECONDS, relay.GREETING_SECONDS = 0.2, 1.0, 1.0\n"
        "sys.exit(serve_fake.main())"
    )
    pipe = window((sys.executable, str(impatient), "--relay"))
    (server,) = shared_servers(runtime)
    server.suspend()
    try:
        pipe.find(lambda sent: is_status(sent, "Warning", busy=True))
        pipe.find(lambda sent: is_status(sent, "Normal", busy=False))
        assert suggest(pipe, 50) == ["pass"]
        assert len(shared_servers(runtime)) == 2
    finally:
        server.kill()
    assert leave(pipe)[0] == 0


def test_a_server_that_dies_of_its_window_is_given_up(runtime: Path) -> None:
    pipe = window()
    for _ in range(8):
        for server in shared_servers(runtime):
            server.send_signal(signal.SIGKILL)
        if pipe.process.poll() is not None:
            break
        time.sleep(1.0)
    assert pipe.process.wait(SECONDS) == 1
    assert "times in a row" in pipe.end()[1]


def test_another_version_has_its_own_server(runtime: Path) -> None:
    old, new = window(), window((*RELAY, "--version-of", "tomorrow"))
    assert len(shared_servers(runtime)) == 2
    assert (suggest(old), suggest(new)) == (["pass"], ["pass"])
    leave(old)
    leave(new)


def test_long_messages_pass(runtime: Path) -> None:
    pipe = window(script={"answer": "é" * 300_000})
    text = "x = 1\n" * 500_000
    changed = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": text}]}
    pipe.send({"method": "textDocument/didChange", "params": changed})
    pipe.send(
        {"id": 7, "method": "workspace/executeCommand", "params": {"command": "infill.status"}}
    )
    assert pipe.receive(7)["result"]["kind"] == "Normal"
    assert leave(pipe) == (0, "")


@pytest.mark.parametrize("said", [[], [{"method": "exit"}]])
def test_an_end_without_a_good_bye(runtime: Path, said: list[dict[str, Any]]) -> None:
    pipe = window()
    pipe.send(*said)
    assert pipe.end()[0] == 1
    assert len(shared_servers(runtime)) == 1


def test_only_this_user_may_connect(runtime: Path) -> None:
    pipe = window()
    (socket_path,) = runtime.glob("**/*.sock")
    assert socket_path.stat().st_mode & 0o077 == 0
    assert socket_path.parent.stat().st_mode & 0o077 == 0
    leave(pipe)


def alone(pipe: Pipe) -> str:
    """What a window says that answers although it found no shared server."""
    assert pipe.initialize()["result"]["capabilities"]
    code, said = leave(pipe)
    assert code == 0
    (line,) = said.splitlines()
    return line


def test_a_folder_that_others_may_enter_is_not_used(runtime: Path) -> None:
    (runtime / "infill-lsp").mkdir()
    (runtime / "infill-lsp").chmod(0o755)
    said = alone(Pipe(command=REAL))
    assert "not a folder of this user alone" in said
    assert said.endswith("this window gets its own")


def test_a_folder_that_others_could_replace_is_not_used(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer platformdirs do not even propose one."""
    runtime.chmod(0o777)
    (runtime / "infill-lsp").mkdir(mode=0o700)
    place = runtime / "infill-lsp"
    monkeypatch.setattr("platformdirs.user_runtime_path", lambda *_, **__: place)
    with pytest.raises(rendezvous.UnreachableError, match="could replace"):
        rendezvous.meeting_place(serve.SHARED)


def test_somebody_else_at_the_socket(runtime: Path) -> None:
    """E.g. a server that hangs, or none of ours."""
    place = rendezvous.meeting_place(serve.SHARED)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(place))
        listening.listen()

        def answer() -> None:
            listening.accept()[0].sendall(b"who is there?")

        threading.Thread(target=answer, daemon=True).start()
        assert "does not answer" in alone(Pipe(command=REAL))


def test_a_server_that_cannot_start(runtime: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit(7)")
    with pytest.raises(rendezvous.UnreachableError, match="ended with code 7, see "):
        relay.connect(command)


def test_a_path_too_long_for_a_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with pytest.raises(rendezvous.UnreachableError, match="too long"):
        rendezvous.meeting_place(serve.SHARED)


@pytest.mark.timeout(300)
def test_the_second_window_adds_at_most_100_mb(runtime: Path) -> None:
    """With the bundled model. Memory that no other process shares: the relay's, and by how much the
    server's grows."""
    first = window(REAL)
    assert isinstance(suggest(first), list)
    (server,) = shared_servers(runtime)
    before = server.memory_full_info().uss
    second = window(REAL)
    assert isinstance(suggest(second), list)
    its_relay = psutil.Process(second.process.pid)
    added = its_relay.memory_full_info().uss + server.memory_full_info().uss - before
    print(f"server {before / 1e6:.0f} MB, second window {added / 1e6:.0f} MB")
    assert before > 300e6, "the model is there, and not in the windows"
    assert added < 100e6
    assert not {"torch", "pygls", "tree_sitter"} & libraries(its_relay)
    leave(first)
    leave(second)


def libraries(process: psutil.Process) -> set[str]:
    """Packages whose files the process has mapped."""
    return {part for entry in process.memory_maps() for part in Path(entry.path).parts}
