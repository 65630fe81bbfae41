"""Other files of the workspace, through the real server and its project process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest
from lsprotocol import types
from sessions import SECONDS, Connect, Session

MAIN = "from shop.prices import price_of\n\nx = "
PRICES = "def price_of(name: str, share: float = 0.1) -> int:\n    return 3\n"


def workspace(folder: Path, **files: str) -> str:
    (folder / "shop").mkdir()
    (folder / "shop" / "prices.py").write_text(PRICES)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder.as_uri()


async def typed_until(session: Session, uri: str, text: str, name: str) -> None:
    """Type new names, each of them another place, until a piece with this text is there."""
    async with asyncio.timeout(SECONDS):
        for version in range(2, 500):
            session.change(
                uri, version, (0, 0, 1, 0, f"from shop.prices import {name}, x{version}\n")
            )
            await session.inline(uri, 2, 4)
            answer = await session.command("infill.explainContext", uri)
            if any(text in piece["text"] for piece in answer["pieces"]):
                return
            await asyncio.sleep(0.05)


async def test_a_definition_behind_an_import_is_in_the_prompt(
    connect: Connect, tmp_path: Path
) -> None:
    session = await connect(folder=workspace(tmp_path), projectContext=["imports"])
    await session.ready()
    uri = session.open(MAIN)
    await typed_until(session, uri, "def price_of(", "price_of")
    await session.inline(uri, 2, 4, invoked=True)
    snippets = session.journal("request")[-1]["snippets"]
    assert any(
        "def price_of(name: str, share: float = 0.1) -> int:" in text for text, _ in snippets
    )


async def test_an_editor_that_watches_is_asked_to_tell_and_is_heard(
    connect: Connect, tmp_path: Path
) -> None:
    session = await connect(folder=workspace(tmp_path), projectContext=["imports"])
    await session.ready()
    uri = session.open(MAIN)
    await typed_until(session, uri, "def price_of(", "price_of")
    assert types.WORKSPACE_DID_CHANGE_WATCHED_FILES in session.registered
    (tmp_path / "shop" / "prices.py").write_text("def sale(): ...\n")
    change = types.FileEvent(f"{session.folder}/shop/prices.py", types.FileChangeType.Changed)
    session.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([change]))
    await typed_until(session, uri, "def sale(", "sale")


async def test_an_editor_that_does_not_watch_is_not_needed(
    connect: Connect, tmp_path: Path
) -> None:
    def no_watching(declared: types.ClientCapabilities) -> None:
        assert declared.workspace is not None
        declared.workspace.did_change_watched_files = None

    session = await connect(
        folder=workspace(tmp_path), edit=no_watching, projectContext=["imports"]
    )
    await session.ready()
    uri = session.open(MAIN)
    await typed_until(session, uri, "def price_of(", "price_of")
    assert types.WORKSPACE_DID_CHANGE_WATCHED_FILES not in session.registered
    await asyncio.sleep(0.5)  # the watcher starts beside the first answers
    (tmp_path / "shop" / "prices.py").write_text("def sale(): ...\n")
    await typed_until(session, uri, "def sale(", "sale")


@pytest.mark.parametrize("name", ["generated.py", "legacy.py"])
async def test_ignored_files_are_not_completed(connect: Connect, tmp_path: Path, name: str) -> None:
    folder = workspace(tmp_path, _gitignore="generated.py\n", _infillignore="legacy.py\n")
    session = await connect(folder=folder)
    await session.ready()
    uri = session.open("x = ", name=name)
    assert await session.inline(uri, 0, 4, invoked=True) == []
    status = await session.status("ignore file")
    assert (status.kind, "infill.ignoredFiles" in status.message) == ("Inactive", True)
    willing = await connect(folder=folder, ignoredFiles=True)
    await willing.ready()
    assert await willing.inline(willing.open("x = ", name=name), 0, 4, invoked=True)


async def test_a_folder_that_is_added_later_is_read(connect: Connect, tmp_path: Path) -> None:
    session = await connect(projectContext=["imports"])
    await session.ready()
    session.folder = workspace(tmp_path)
    added = types.WorkspaceFolder(session.folder, "later")
    session.client.workspace_did_change_workspace_folders(
        types.DidChangeWorkspaceFoldersParams(types.WorkspaceFoldersChangeEvent([added], []))
    )
    await typed_until(session, session.open(MAIN), "def price_of(", "price_of")


async def test_switched_off_nothing_is_read(connect: Connect, tmp_path: Path) -> None:
    session = await connect(folder=workspace(tmp_path), transport="stdio", projectContext=[])
    await session.ready()
    uri = session.open(MAIN)
    assert await session.inline(uri, 2, 4)
    assert session.journal("request")[-1]["snippets"] == []
    assert await session.command("infill.explainContext", uri) == {"pieces": []}
    (rules,) = children(session)
    assert "--rules-only" in rules.cmdline(), "its ignore files hold all the same"


async def test_without_a_folder_nothing_is_read(connect: Connect) -> None:
    session = await connect(transport="stdio")  # file:///folder is not there
    await session.ready()
    assert await session.inline(session.open(MAIN), 2, 4)
    assert not children(session)


def children(session: Session) -> list[psutil.Process]:
    """The server's own processes."""
    return psutil.Process(session.client._server.pid).children(recursive=True)
