"""Where the server is started, and by whom: no home, modules that shadow others, an editor that is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pipe import Pipe
from sessions import SECONDS, SERVER, shared_servers

SHADOWS = ("random", "json", "socket", "asyncio", "engine", "typing")


def works(pipe: Pipe) -> bool:
    """Whether a window's server answers and ends well."""
    pipe.initialize()
    pipe.send({"id": 9, "method": "shutdown"}, {"method": "exit"})
    code, _ = pipe.end()
    return code == 0


@pytest.mark.parametrize("options", [("--standalone",), ()])
def test_a_projects_modules_shadow_none(
    options: tuple[str, ...], tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = Path(sys.executable).parent / "infill-lsp"
    monkeypatch.chdir(tmp_path)
    assert works(Pipe(*options, command=(str(script),)))


def test_the_helper_process_runs_no_module_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('shadowed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    from infill_lsp.isolation import command

    ran = subprocess.run(
        [*command("infill_lsp.project.worker"), str(tmp_path)],
        input=b"",
        capture_output=True,
        cwd=tmp_path,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stderr


NOBODY = """
import os, pwd, runpy, sys
def nobody(*_):
    raise KeyError
pwd.getpwuid = pwd.getpwnam = nobody
runpy.run_module("infill_lsp.cli", run_name="__main__", alter_sys=True)
"""
"""A user id without a passwd entry, as containers have. (Nobody but root can become another in a test.)"""


@pytest.mark.skipif(sys.platform == "win32", reason="there, every user has a home")
@pytest.mark.parametrize("home", [None, "/nonexistent"])
@pytest.mark.parametrize("option", ["--standalone", "--stdio"])
def test_a_user_without_a_home(
    home: str | None, option: str, monkeypatch: pytest.MonkeyPatch, runtime: Path
) -> None:
    for name in [each for each in os.environ if each == "HOME" or each.startswith("XDG_")]:
        if name != "XDG_RUNTIME_DIR":
            monkeypatch.delenv(name)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    pipe = Pipe(command=(sys.executable, "-c", NOBODY, option))
    pipe.initialize()
    pipe.send({"id": 9, "method": "shutdown"}, {"method": "exit"})
    code, said = pipe.end()
    assert code == 0, said
    assert ("no home folder" in said) == (home is None)


@pytest.mark.parametrize("odd", [{"a": 1}, [1], None, 1.5, True, "no such id"])
def test_an_odd_cancel_ends_nothing(odd: Any) -> None:
    pipe = Pipe()
    pipe.initialize({"infill": {"model": json.dumps({"answer": "1"})}})
    pipe.send({"method": "$/cancelRequest", "params": {"id": odd}})
    pipe.send({"method": "$/cancelRequest", "params": {}})
    pipe.send(
        {"id": 5, "method": "workspace/executeCommand", "params": {"command": "infill.status"}}
    )
    assert "result" in pipe.receive(5)
    pipe.send({"id": 9, "method": "shutdown"}, {"method": "exit"})
    assert pipe.end()[0] == 0


@pytest.mark.parametrize("option", ["--stdio", "--relay"])
def test_the_server_goes_with_its_editor_although_a_third_holds_the_pipe(
    option: str, runtime: Path
) -> None:
    editor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pipe = Pipe(command=(*SERVER, option))
    params = {"processId": editor.pid, "rootUri": None, "capabilities": {}}
    pipe.send({"id": 0, "method": "initialize", "params": params})
    pipe.receive(0)
    editor.kill()
    editor.wait()
    # this test still holds both ends of the pipes
    assert pipe.process.wait(SECONDS) != 0
    for stream in (pipe.process.stdin, pipe.process.stdout, pipe.process.stderr):
        if stream is not None:
            stream.close()


def test_a_process_id_of_another_container_ends_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    pipe = Pipe()
    params = {"processId": gone.pid, "rootUri": None, "capabilities": {}}
    pipe.send({"id": 0, "method": "initialize", "params": params})
    pipe.receive(0)
    time.sleep(3)
    assert pipe.process.poll() is None
    pipe.send({"id": 9, "method": "shutdown"}, {"method": "exit"})
    assert pipe.end()[0] == 0


def test_a_shared_server_that_hangs_is_replaced(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Pipe(command=(*SERVER, "--relay"))
    first.initialize()
    (hung,) = shared_servers(runtime)
    hung.send_signal(signal.SIGSTOP)
    try:
        second = Pipe(command=(*SERVER, "--relay"))
        assert works(second)
        assert len(shared_servers(runtime)) == 2
    finally:
        hung.send_signal(signal.SIGCONT)
    first.send({"id": 9, "method": "shutdown"}, {"method": "exit"})
    assert first.end()[0] == 0


async def test_one_document_in_two_spellings(connect: Any) -> None:
    session = await connect("vscode", script={"answer": "1"})
    await session.ready()
    session.open("x = ", "a b.py")
    for name in ("a%20b.py", "./a b.py", "a%20%62.py"):
        items = await session.inline(f"{session.folder}/{name}", 0, 4)
        assert [item.insert_text for item in items] == ["1"], name
