"""kill -9 while somebody types: of the shared server, of a window's relay, of the process that reads other files.

infill-lsp's window is typed in without a pause; after each kill it answers within three seconds, with the
text as it was typed, and in the end no process is left.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pipe import Pipe
from sessions import SECONDS, SERVER, inline_params, shared_servers

if sys.platform == "win32":
    pytest.skip("there is no shared server", allow_module_level=True)

KILLS = 50
"""The bar, of each."""
BACK_SECONDS = 3.0
IDLE_SECONDS = 0.8
"""What a server's imports take on an idle machine."""
RELAY = (*SERVER, "--relay")


class Typist:
    """An editor that types a letter every 10 ms and reads all answers."""

    def __init__(self, folder: Path, journal: Path) -> None:
        self.folder, self.journal = folder, journal
        self.text, self.version = "x = ", 1
        self.uri = f"{folder.as_uri()}/main.py"
        self.messages: list[dict[str, Any]] = []
        self._start()

    def _start(self) -> None:
        self.pipe = Pipe(command=RELAY)
        script = json.dumps({"answer": "1", "journal": str(self.journal)})
        params = {
            "processId": None,
            "rootUri": self.folder.as_uri(),
            "capabilities": {"textDocument": {"inlineCompletion": {}}},
            "initializationOptions": {"infill": {"model": script, "hideBelowPercent": 0}},
        }
        self.pipe.send({"id": 0, "method": "initialize", "params": params})
        self.pipe.receive(0)
        self.pipe.send({"method": "initialized", "params": {}})
        document = {
            "uri": self.uri,
            "languageId": "python",
            "version": self.version,
            "text": self.text,
        }
        self.pipe.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        threading.Thread(target=self._read, args=(self.pipe,), daemon=True).start()

    def _read(self, pipe: Pipe) -> None:
        try:
            while True:
                self.messages.append(pipe.find(lambda _: True))
        except (IndexError, ValueError, OSError):
            return

    def type(self, letter: str) -> None:
        place = {"line": self.text.count("\n"), "character": len(self.text.rpartition("\n")[2])}
        self.text += letter
        self.version += 1
        change = {"range": {"start": place, "end": place}, "text": letter}
        params = {
            "textDocument": {"uri": self.uri, "version": self.version},
            "contentChanges": [change],
        }
        self.pipe.send({"method": "textDocument/didChange", "params": params})

    def type_for(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.type(random.choice("abc +\n") if len(self.text) % 40 else "\n")
            time.sleep(0.01)

    def seconds_to_answer(self) -> float:
        """Type on and ask, until an answer comes that saw all that was typed."""
        began = time.monotonic()
        number = int(time.monotonic() * 1000)
        while True:
            number += 1
            self.type("a")
            where = len(self.text.split("\n")) - 1, len(self.text.rpartition("\n")[2])
            self.pipe.send(
                {
                    "id": number,
                    "method": "textDocument/inlineCompletion",
                    "params": inline_params(self.uri, *where),
                }
            )
            until = time.monotonic() + 0.7
            while time.monotonic() < until:
                for message in self.messages[-30:]:
                    if message.get("id") == number and "result" in message and self.saw_all():
                        return time.monotonic() - began
                time.sleep(0.005)
            assert time.monotonic() - began < SECONDS, "it did not come back"

    def saw_all(self) -> bool:
        """Whether the engine was last asked with exactly what was typed."""
        lines = self.journal.read_text().splitlines()
        asked = [entry for entry in map(json.loads, lines[-6:]) if entry["event"] == "request"]
        return bool(asked) and asked[-1]["prefix"] == self.text[-200:]

    def restart(self) -> None:
        """As an editor does when its server's process has ended."""
        self.pipe.process.wait(SECONDS)
        self.pipe.end()
        self._start()

    def leave(self) -> int:
        self.pipe.send({"id": 9, "method": "shutdown"}, {"method": "exit"})
        return self.pipe.process.wait(SECONDS)


@pytest.fixture
def typist(runtime: Path, tmp_path: Path) -> Iterator[Typist]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "helper.py").write_text("def help_me(): ...\n")
    typing = Typist(folder, tmp_path / "journal")
    typing.seconds_to_answer()
    yield typing
    assert typing.leave() == 0
    ends = time.monotonic() + SECONDS
    while left := of_this_test(runtime, folder):
        assert time.monotonic() < ends, f"orphans: {left}"
        time.sleep(0.1)


def of_this_test(runtime: Path, folder: Path) -> list[psutil.Process]:
    """The processes that this window started, and theirs."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if any(str(part).startswith((str(runtime), str(folder))) for part in line):
            found.append(process)
    return found


def server_of(runtime: Path) -> psutil.Process:
    return shared_servers(runtime)[-1]


def helper_of(runtime: Path) -> psutil.Process | None:
    children = server_of(runtime).children()
    return next((each for each in children if "project.worker" in " ".join(each.cmdline())), None)


def slowness() -> float:
    """How many times longer than on an idle machine it takes here and now to start a server's Python."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import infill_lsp.shared"], check=True)
    return max(1.0, (time.monotonic() - began) / IDLE_SECONDS)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("victim", ["server", "relay", "helper"])
def test_a_window_is_back_and_has_lost_no_key(
    typist: Typist, runtime: Path, victim: str, share_of: Callable[[int], int]
) -> None:
    times = []
    for _ in range(share_of(KILLS)):
        typist.type_for(2.2)
        if victim == "server":
            server_of(runtime).send_signal(signal.SIGKILL)
        elif victim == "relay":
            typist.pipe.process.kill()
            typist.restart()
        else:
            ends = time.monotonic() + SECONDS
            while (helper := helper_of(runtime)) is None:
                assert time.monotonic() < ends
                time.sleep(0.02)
            helper.kill()
        times.append(typist.seconds_to_answer())
    print(
        f"{victim}: {len(times)} kills; back after {sorted(times)[len(times) // 2]:.2f} s, at most {max(times):.2f} s"
    )
    assert max(times) < BACK_SECONDS * slowness()
    if victim == "helper":
        ends = time.monotonic() + SECONDS
        while helper_of(runtime) is None:
            assert time.monotonic() < ends, "it is started again"
            time.sleep(0.05)
