"""Programs that misbehave are judged, stopped, and leave nothing behind."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infill_lsp.evaluation import program_server
from infill_lsp.evaluation.case import EvaluationError
from infill_lsp.evaluation.sandbox import SERVER, Limits, Sandbox, Verdict

LIMITS = Limits(cpu_seconds=1, wall_seconds=5, memory_bytes=256 << 20)


@pytest.fixture(scope="module", params=[True, False], ids=["namespaces", "hooks"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(LIMITS, lanes=1, namespaces=request.param) as sandbox:
        yield sandbox


def judged(sandbox: Sandbox, program: str) -> Verdict:
    """The program's verdict; the sandbox must be in order after it."""
    verdict, after = sandbox.judge([program, "x = 1"])
    assert after.verdict == "passed"
    return verdict


@pytest.mark.parametrize(
    ("program", "verdict", "detail"),
    [
        ("assert 1 + 1 == 2", "passed", ""),
        ("assert 1 + 1 == 3", "failed", "AssertionError"),
        ("def f(:", "failed", "SyntaxError"),
        ("raise KeyboardInterrupt", "failed", "KeyboardInterrupt"),
        ("while True: pass", "timeout", "CPU time"),
        ("import time\ntime.sleep(60)", "timeout", "wall-clock time"),
        ("x = []\nwhile True: x.append(bytearray(1 << 20))", "failed", "MemoryError"),
        ("x = ' ' * (1 << 40)", "failed", "MemoryError"),
        ("def f(): f()\nf()", "failed", "RecursionError"),
        ("import os\nos.fork()", "failed", "PermissionError"),
        ("import os\nwhile True: os.fork()", "failed", "PermissionError"),
        ("import subprocess\nsubprocess.run(['true'])", "failed", "PermissionError"),
        ("import os\nos.system('true')", "failed", "PermissionError"),
        ("import os\nos.kill(os.getppid(), 9)", "failed", "PermissionError"),
        ("import os\nos.killpg(0, 9)", "failed", "PermissionError"),
        ("import ctypes\nctypes.CDLL(None).kill(1, 9)", "failed", "PermissionError"),
        ("import resource\nresource.setrlimit(0, (9, 9))", "failed", "PermissionError"),
        ("print('passed', flush=True)\nimport os\nos._exit(0)", "exited", "with 0"),
        ("print('passed')\nimport sys\nsys.exit(0)", "exited", "with 0"),
        ("print('passed')\nexit()", "failed", "NameError"),
        ("import os\nos.abort()", "killed", "SIG"),
        ("input()", "failed", "EOFError"),
        ("import numpy", "failed", "ModuleNotFoundError"),
        ("import infill_lsp", "failed", "ModuleNotFoundError"),
        ("open('x', 'w').write('mine')\nassert open('x').read() == 'mine'", "passed", ""),
        ("open('../x', 'w')", "failed", "PermissionError"),
        ("import os\nos.remove('/etc/hostname')", "failed", "PermissionError"),
        ("import shutil\nshutil.rmtree('/nowhere')", "failed", "PermissionError"),
        ("import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')", "passed", ""),
        ("f = open('x', 'wb')\nwhile True: f.write(bytes(1 << 20))", "failed", "OSError"),
        ("print('x' * 10_000_000)", "passed", ""),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()", "", ""),
    ],
)
def test_verdicts(sandbox: Sandbox, program: str, verdict: str, detail: str) -> None:
    found = judged(sandbox, program)
    if verdict:  # else: whatever comes of it, it comes in time
        assert found.verdict == verdict
        assert found.detail.startswith(detail)


def test_what_is_written_to_open_descriptors_is_no_pass(sandbox: Sandbox) -> None:
    program = (
        "import os\nfor number in range(64):\n"
        "    try: os.write(number, b'passed\\n')\n    except OSError: pass\nos._exit(0)"
    )
    assert judged(sandbox, program).verdict != "passed"


def test_no_connection_leaves(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        program = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)"
        assert judged(sandbox, program) == Verdict("failed", "PermissionError")
        listening.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listening.accept()


def test_the_namespace_has_no_network_even_without_the_hook() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(SERVER.parent)!r})\n"
        "import program_server, socket\n"
        "print(program_server.enter_namespaces())\n"
        "try: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1)\n"
        "except OSError as error: print('refused', error)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-c", script, str(listening.getsockname()[1])]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if said.startswith("False"):
        pytest.skip("this system does not let a user make namespaces")
    assert "refused" in said


def test_processes_that_slip_past_the_hook_die_with_their_program(sandbox: Sandbox) -> None:
    seconds = "86399.125"
    program = (
        "from multiprocessing.util import spawnv_passfds\n"
        f"spawnv_passfds(b'/bin/sleep', [b'sleep', b'{seconds}'], [])"
    )
    judged(sandbox, program)
    until = time.monotonic() + 5
    while any(_sleeps(process, seconds) for process in psutil.process_iter()):
        assert time.monotonic() < until, "it still sleeps"
        time.sleep(0.05)


def _sleeps(process: psutil.Process, seconds: str) -> bool:
    try:
        return seconds in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_folders_are_new_and_go_away(sandbox: Sandbox) -> None:
    folder = Path(tempfile.gettempdir())
    before = set(folder.glob("program-*"))
    program = "import os\nassert os.listdir() == []\nopen('left', 'w').close()"
    assert [each.verdict for each in sandbox.judge([program] * 3)] == ["passed"] * 3
    assert set(folder.glob("program-*")) <= before


def test_programs_do_not_see_one_another(sandbox: Sandbox) -> None:
    first, second = sandbox.judge(["import math\nmath.pi = 3", "import math\nassert math.pi > 3"])
    assert (first.verdict, second.verdict) == ("passed", "passed")


def test_chance_is_the_same_each_time(sandbox: Sandbox) -> None:
    program = "import random\nassert random.random() == 0.8444218515250481"  # with seed 0
    assert [each.verdict for each in sandbox.judge([program] * 2)] == ["passed"] * 2


def test_verdicts_come_in_the_order_of_programs() -> None:
    with Sandbox(LIMITS, lanes=2) as sandbox:
        programs = ["import time\ntime.sleep(0.3)", "x", "assert False", "x = 1"]
        found = [each.detail or each.verdict for each in sandbox.judge(programs)]
    assert found == ["passed", "NameError", "AssertionError", "passed"]


def test_a_server_that_dies_is_started_again() -> None:
    with Sandbox(LIMITS, lanes=1) as sandbox:
        assert judged(sandbox, "x = 1").verdict == "passed"
        sandbox._all[0]._process.kill()
        assert next(sandbox.judge(["x = 1"])).verdict == "killed"
        assert judged(sandbox, "x = 1").verdict == "passed"


def test_nothing_runs_after_the_end() -> None:
    with Sandbox(LIMITS, lanes=2) as sandbox:
        pids = [server._process.pid for server in sandbox._all]
        list(sandbox.judge(["x = 1"] * 2))
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_the_report_says_what_keeps_programs_from_the_network() -> None:
    with Sandbox(LIMITS, lanes=1, namespaces=False) as sandbox:
        assert sandbox.network == "sockets refused in Python only"
    with Sandbox(LIMITS, lanes=1) as sandbox:
        assert re.fullmatch("a namespace without network|sockets refused.*", sandbox.network)


def test_four_hundred_programs_are_quick() -> None:
    began = time.monotonic()
    with Sandbox() as sandbox:
        verdicts = list(sandbox.judge(["import math, re, collections\nassert math.pi"] * 400))
    assert all(each.verdict == "passed" for each in verdicts)
    assert time.monotonic() - began < 40, "2 to 4 seconds on two idle cores"


def test_without_fork_there_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(EvaluationError, match="Linux and macOS"):
        Sandbox()


def test_a_pass_said_between_two_looks_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right answer was once taken for one that left early, on a busy machine."""
    program = subprocess.Popen(["echo", "token"], stdout=subprocess.PIPE)
    assert program.stdout is not None
    look, looks = select.select, []

    def late(*arguments: Any) -> Any:
        looks.append(arguments)
        if len(looks) > 1:
            return look(*arguments)
        time.sleep(0.3)  # the program says its word and ends, just after the first look
        return [], [], []

    monkeypatch.setattr(program_server.select, "select", late)
    said, status, _ = program_server._wait(
        program.pid, program.stdout.fileno(), time.monotonic() + 5
    )
    program.returncode = 0  # waited for already
    assert (said, status) == ("token", 0)
