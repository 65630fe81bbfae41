"""Continue's own autocompletion, out of its npm package, with the configuration that `editors/README.md` gives.

Everything is its own from the configuration's text to the suggestion that it would show: the model's class,
the prompt's template, the request, and the filters after it. The editor around it and its cache are not.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from http_server import TOKEN, fake, ready_without_token, serving
from neovim import HERE, SOURCE
from sessions import ROOT

PACKAGES = ("@continuedev/core@1.1.0", "esbuild@0.28.2")
NOT_NEEDED = (
    "@typescript-eslint/eslint-plugin",
    "@xenova/transformers",
    "dbinfoz",
    "onnxruntime-node",
    "puppeteer",
    "puppeteer-chromium-resolver",
    "sqlite3",
    "vectordb",
)
"""Half of what it would bring along: browsers, databases and other models' runtimes."""

BUNDLED = (sys.executable, "-m", "infill_lsp.cli", "serve", "--http", "127.0.0.1:0")

pytestmark = [pytest.mark.editor, pytest.mark.timeout(600)]


@pytest.fixture
def packages(request: pytest.FixtureRequest) -> Path:
    """Where npm has put Continue and a bundler, once."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs Node.js 20 or newer, and npm")
    folder = Path(request.config.cache.mkdir("continue"))
    if not (folder / "installed").exists():
        (folder / "nothing").mkdir(exist_ok=True)
        (folder / "nothing" / "package.json").write_text(
            '{ "name": "nothing", "version": "0.0.0" }'
        )
        without = dict.fromkeys(NOT_NEEDED, "file:nothing")
        (folder / "package.json").write_text(json.dumps({"private": True, "overrides": without}))
        install = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", *PACKAGES]
        subprocess.run(install, check=True, cwd=folder)
        (folder / "installed").touch()
    return folder


def config(address: str) -> str:
    """What `editors/README.md` tells to write, for this server."""
    text = (ROOT / "editors" / "README.md").read_text("utf-8")
    (block,) = re.findall(r"^Continue, .*?```yaml\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert "http://127.0.0.1:8012/" in block
    assert "THE TOKEN" in block
    return str(block).replace("http://127.0.0.1:8012", address).replace("THE TOKEN", TOKEN)


def ask(
    packages: Path, folder: Path, address: str, *asks: Any, clipboard: str = ""
) -> tuple[list[Any], list[str]]:
    """What Continue would show, None for nothing, and the errors that it would. Each ask: a text with
    `|` for the cursor, and how many milliseconds after the one before."""
    given = {
        "packages": str(packages),
        "folder": str(folder),
        "config": config(address),
        "clipboard": clipboard,
        "file": str(folder / "a.py"),
        "asks": [],
    }
    for text, after in asks:
        before, _, rest = text.partition("|")
        line, character = before.count("\n"), len(before.rpartition("\n")[2])
        asked = {"text": before + rest, "line": line, "character": character, "after": after}
        given["asks"].append(asked)
    drive = ["node", str(HERE / "drive_continue.mjs"), json.dumps(given)]
    subprocess.run(drive, check=True, timeout=120)
    came = json.loads((folder / "outcomes.json").read_text())
    return came["outcomes"], came["errors"]


def events(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


BODY = SOURCE.replace("    \n", "    |\n", 1)


def test_what_the_server_gives_is_what_is_shown(packages: Path, tmp_path: Path) -> None:
    answer, journal = "total = a + b\n    return total", tmp_path / "journal"
    with serving(*fake(answer=answer, journal=str(journal))) as address:
        asyncio.run(ready_without_token(address))
        (shown,), errors = ask(packages, tmp_path, address, (BODY, 0), clipboard="RATE = 2")
    assert not errors
    assert shown["completion"] == answer
    asked = events(journal)[0]
    assert (asked["prefix"] + "|" + asked["suffix"]) == BODY, "without what it writes above"
    assert asked["path"] == "a.py"
    assert ["RATE = 2\n", "Untitled.txt"] in asked["snippets"]


def test_typing_on_ends_the_work_for_the_text_before(packages: Path, tmp_path: Path) -> None:
    slow = {"steps": 60, "step_seconds": 0.05, "journal": str(tmp_path / "journal")}
    typed = BODY.replace("|", "t|")
    with serving(*fake(answer="otal = a + b", **slow)) as address:
        asyncio.run(ready_without_token(address))
        (before, after), errors = ask(packages, tmp_path, address, (BODY, 0), (typed, 1500))
    assert before is None
    # Its own word for a request that it gave up: the newer fetch that npm chooses says it, and this
    # core does not know it yet.
    assert all("HTTP 499" in error for error in errors)
    assert after["completion"] == "otal = a + b"
    ends = [event for event in events(tmp_path / "journal") if event["event"] == "end"]
    assert [end["cancelled"] for end in ends] == [True, False]


def test_the_bundled_model(packages: Path, tmp_path: Path) -> None:
    gap = "def add(a, b):\n    return |\n\n\nprint(add(1, 2))\n"
    with serving(*BUNDLED) as address:
        asyncio.run(ready_without_token(address))
        (shown,), errors = ask(packages, tmp_path, address, (gap, 0))
        given = asyncio.run(completion(address, shown["prompt"]))
    assert not errors
    assert shown["completion"] == given
    assert given.strip()


async def completion(address: str, prompt: str) -> str:
    """The server's own answer to what Continue asked."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.post(f"{address}/v1/completions", json={"prompt": prompt}) as response,
    ):
        return str((await response.json())["choices"][0]["text"])
