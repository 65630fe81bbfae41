"""Workspaces that somebody made to do harm: each opened in a window, while another window is typed in.

Whatever a folder holds: the other window's key is answered in time, nothing from outside the folder is shown,
and the server and its processes go on.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from client import SECONDS, Client

if sys.platform == "win32":
    pytest.skip("links, devices and FIFOs", allow_module_level=True)

KEY_SECONDS = 1.5
OUTSIDE = "def outside_of_the_folder(secret_argument): ...\n"
MAIN = "import helper\nfrom late import outside_of_the_folder\n\nx = outside_of_the_folder("


Make = Callable[[Path, Path], None]
"""Fills a workspace; the second folder is outside of it, and holds what must not be read."""
HOSTILE: dict[str, Make] = {}


def hostile(name: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        HOSTILE[name] = make
        return make

    return add


def _text(path: str, text: str | bytes) -> Make:
    def make(root: Path, _outside: Path) -> None:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)

    return make


def _link(path: str, target: str) -> Make:
    def make(root: Path, outside: Path) -> None:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target.replace("OUTSIDE", str(outside)))

    return make


def _fifo(path: str) -> Make:
    def make(root: Path, _outside: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(root / path)

    return make


for _name in (".gitignore", ".infillignore", ".git/info/exclude", "src/.gitignore"):
    HOSTILE[f"{_name}: stars that backtrack"] = _text(_name, "*a" * 40 + "*b\n")
    HOSTILE[f"{_name}: a link to zeros without end"] = _link(_name, "/dev/zero")
    HOSTILE[f"{_name}: a FIFO that nobody writes"] = _fifo(_name)
for _name, _pattern in {
    "two stars, again and again": "**/a" * 200,
    "question marks": "?*" * 2000,
    "sets": "[a-z]*" * 1000,
    "sets that do not end": "[" * 5000,
    "backslashes": "\\" * 5001,
    "a hundred thousand rules": "x*y*z\n" * 100_000,
    "forty megabytes": "x\n" * 20_000_000,
    "one long line": "a*" * 400_000,
    "nulls": "\0*\0" * 1000,
    "not UTF-8": "\udcff\udcfe*",
    "negations": "!*\n*\n" * 5000,
}.items():
    HOSTILE[f"rules: {_name}"] = _text(".gitignore", _pattern)
for _name in ("helper.py", "late.py", ".venv", "src", ".git", "node_modules", "up/deeper"):
    HOSTILE[f"{_name}: a link outside"] = _link(_name, "OUTSIDE")
HOSTILE |= {
    "a link to itself": _link("late.py", "late.py"),
    "a link to its folder": _link("loop", "."),
    "a link to the root": _link("late", "/"),
    "a link to processes": _link("late", "/proc"),
    "a link to a terminal": _link("late.py", "/dev/tty"),
    "a link to random bytes": _link("late.py", "/dev/urandom"),
    "a link to the program's own memory": _link("late.py", "/proc/self/mem"),
    "a FIFO as a source": _fifo("late.py"),
    "a FIFO as an environment": _fifo(".venv/pyvenv.cfg"),
    "a source of 100 MB": _text("late.py", b"x = 1\n" * 16_000_000),
    "one line of 199 KB": _text("late.py", "x = [" + "1," * 99_000 + "]"),
    "brackets, 60,000 deep": _text("late.py", "(" * 60_000),
    "blocks, 500 deep": _text("late.py", "".join(" " * n + "if x:\n" for n in range(500))),
    "JSON, 90,000 deep": _text("late.json", "[" * 90_000),
    "YAML that repeats": _text(
        "late.yaml", "a: &a [x,x]\n" + "".join(f"a{n}: &a{n} [*a,*a]\n" for n in range(3000))
    ),
    "strings that do not end": _text("late.js", "`${" * 20_000),
    "nulls": _text("late.py", "\0" * 1000),
    "another encoding": _text("late.py", "x = 'é'".encode("utf-16")),
    "lone surrogates": _text("late.py", "x = '\ud800'\n" * 1000),
    "a BOM and a thousand more": _text("late.py", "\ufeff" * 1000 + "x = 1\n"),
    "words without end": _text("late.py", "a" * 190_000),
    "190,000 different words": _text("late.py", " ".join(f"w{n}" for n in range(25_000))),
    "patterns for the scanner of secrets": _text("late.yaml", "password=" * 20_000),
    "dashes for the scanner of secrets": _text("late.yaml", ("a-" * 1900 + "\n") * 50),
    "URLs for the scanner of secrets": _text("late.yaml", ("://" + ":" * 1900 + "\n") * 90),
    "names with newlines": _text("a\nb.py", "x = 1\n"),
    "names that look like options": _text("--watch.py", "x = 1\n"),
    "names in another order": _text("\u202eyp.etal.py", "x = 1\n"),
    "a package that shadows": _text(
        "json/__init__.py", "raise SystemExit('code of the workspace')"
    ),
    "a site of its own": _text("sitecustomize.py", "raise SystemExit('code of the workspace')"),
}


@hostile("a name that is not UTF-8")
def _not_utf8(root: Path, _outside: Path) -> None:
    if sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe.py")).write_text("x = 1\n")


@hostile("folders, 300 deep")
def _deep(root: Path, _outside: Path) -> None:
    here = root
    for _ in range(300):
        here = here / "deep"
        here.mkdir()
    (here / "late.py").write_text(OUTSIDE)


@hostile("5,000 folders")
def _wide(root: Path, _outside: Path) -> None:
    for number in range(5000):
        (root / f"folder{number}").mkdir()


@hostile("30,000 files")
def _many(root: Path, _outside: Path) -> None:
    for number in range(30_000):
        (root / f"file{number}.py").touch()


@hostile("a folder that may not be read")
def _closed(root: Path, _outside: Path) -> None:
    (root / "closed").mkdir(mode=0)


@hostile("an environment whose packages lie outside")
def _environment(root: Path, outside: Path) -> None:
    (root / ".venv" / "lib" / "python3.12").mkdir(parents=True)
    (root / ".venv" / "pyvenv.cfg").touch()
    (root / ".venv" / "lib" / "python3.12" / "site-packages").symlink_to(outside)


@hostile("a file that is swapped for a link, again and again")
def _swapped(root: Path, outside: Path) -> None:
    (root / "late.py").write_text("x = 1\n")


async def swap(root: Path, outside: Path) -> None:
    """While it is read."""
    for number in range(400):
        place = root / ("new" if number % 2 else "old")
        place.unlink(missing_ok=True)
        if number % 2:
            place.symlink_to(outside / "late.py")
        else:
            place.write_text("x = 1\n")
        place.replace(root / "late.py")
        await asyncio.sleep(0.002)


def test_there_are_enough() -> None:
    assert len(HOSTILE) >= 60


SHORT = tuple(random.Random(6).sample(sorted(HOSTILE), 6))
"""What the default suite does."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in SHORT else pytest.mark.trust, id=name)
        for name in HOSTILE
    ],
)
@pytest.mark.timeout(120)
async def test_another_window_notices_nothing(
    tcp_server: tuple[str, int], tmp_path: Path, name: str
) -> None:
    root, outside = tmp_path / "workspace", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    for each in ("late.py", "helper.py", "__init__.py", "outside_of_the_folder.py"):
        (outside / each).write_text(OUTSIDE)
    HOSTILE[name](root, outside)
    other = await Client.open(tcp_server)
    await other.ready()
    other.open_document("file:///nowhere/a.py", "x = ")
    window = await Client.open(
        tcp_server,
        folder=root.as_uri(),
        projectContext=["imports", "sibling", "called", "similar", "recent"],
    )
    swapping = asyncio.ensure_future(swap(root, outside)) if "swapped" in name else None
    window.open_document(f"{root.as_uri()}/main.py", MAIN)
    told = [
        "late.py",
        "../outside/late.py",
        "%2e%2e/outside/late.py",
        "up/late.py",
        "a%00.py",
        ".gitignore",
        "x" * 9000,
    ]
    slowest, shown = 0.0, ""
    asked = asyncio.ensure_future(window.suggest(f"{root.as_uri()}/main.py", 3, 26))
    ends = time.monotonic() + 2.5
    version = 2
    while time.monotonic() < ends:
        began = time.perf_counter()
        answer = await other.suggest("file:///nowhere/a.py", 0, 4)
        slowest = max(slowest, time.perf_counter() - began)
        assert answer["result"]["items"]
        changes = [{"uri": f"{root.as_uri()}/{path}", "type": 2} for path in told]
        window.tell("workspace/didChangeWatchedFiles", {"changes": changes})
        document = {"uri": f"{root.as_uri()}/main.py", "version": version}
        new = MAIN.replace("import helper", f"import helper, x{version}")
        window.tell(
            "textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": new}]}
        )
        version += 1
        await window.suggest(f"{root.as_uri()}/main.py", 3, 26)
        explain = {"command": "infill.explainContext", "arguments": [f"{root.as_uri()}/main.py"]}
        shown += json.dumps((await window.ask("workspace/executeCommand", explain))["result"])
        await asyncio.sleep(0.05)
    async with asyncio.timeout(SECONDS):
        await asyncio.wait({asked})
    assert slowest < KEY_SECONDS, "another window's key"
    assert "secret_argument" not in shown, "from outside"
    assert not window.ended
    assert "helper process" not in json.dumps(await window.status())
    if swapping is not None:
        await swapping
    for each in (window, other):
        await each.close()
    for closed in root.glob("closed"):
        closed.chmod(stat.S_IRWXU)
    shutil.rmtree(root, ignore_errors=True)
