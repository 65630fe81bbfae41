"""What git ignores is refused when it is opened, and read for no other file."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from lsprotocol import types
from sessions import SECONDS, Connect

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git says what it ignores")


def repository(folder: Path) -> Path:
    """One whose rules stand at its root, in its excludes and in the user's own."""
    (folder / "app").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / ".gitignore").write_text("local_*.py\n")
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "exclude").write_text("mine.py\n")
    for name in ("local_keys.py", "mine.py", "global.py", "open.py"):
        (folder / "app" / name).write_text(f"def {Path(name).stem}_price(item):\n    return 1\n")
    return folder


@pytest.mark.parametrize("context", [["similar", "called"], []])
@pytest.mark.parametrize("opened", ["", "app"])
async def test_an_ignored_file_is_refused(
    connect: Connect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: str,
    context: list[str],
) -> None:
    top = repository(tmp_path / "w")
    config = tmp_path / "config"
    (config / "git").mkdir(parents=True)
    (config / "git" / "ignore").write_text("global.py\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    session = await connect(
        "vscode",
        transport="stdio",
        script={"answer": "item + 1"},
        folder=(top / opened).as_uri(),
        projectContext=context,
    )
    await session.ready()
    for name, refused in {
        "local_keys.py": True,
        "mine.py": True,
        "global.py": True,
        "open.py": False,
    }.items():
        file = top / "app" / name
        document = types.TextDocumentItem(file.as_uri(), "python", 1, "def f(item):\n    return ")
        session.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        items = await session.inline(file.as_uri(), 1, 11, invoked=True)
        assert bool(items) != refused, name
        if refused:
            await session.status("ignore file")


async def test_an_ignored_file_says_nothing_to_others(connect: Connect, tmp_path: Path) -> None:
    top = repository(tmp_path / "w")
    session = await connect(
        "vscode",
        script={"answer": "item + 1"},
        folder=(top / "app").as_uri(),
        projectContext=["similar", "called"],
    )
    await session.ready()
    text = (
        "def f(item):\n    local_keys_price(item), mine_price(item), open_price(item)\n    return "
    )
    uri = (top / "app" / "main.py").as_uri()
    document = types.TextDocumentItem(uri, "python", 1, text)
    shown: list[str] = []
    async with asyncio.timeout(SECONDS):
        while not any("open_price" in each for each in shown):  # until the folder is read
            session.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
            await asyncio.sleep(0.1)
            await session.inline(uri, 2, 11)
            shown = [text for text, _ in (await session.journalled("request"))[-1]["snippets"]]
            closed = types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
            session.client.text_document_did_close(closed)
    assert not any("local_keys" in each or "mine" in each for each in shown)
