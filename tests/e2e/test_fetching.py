"""A better model is offered once, and fetched in a process of its own when the user says so."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import psutil
import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import make_test_lsp_client
from sessions import SECONDS, SERVER, Connect, Session, capabilities

LARGER = "qwen2.5-coder-1.5b"
STATE = Path(os.environ["XDG_STATE_HOME"])


@pytest.fixture(autouse=True)
def nothing_offered_yet() -> None:
    shutil.rmtree(STATE / "infill-lsp" / "offered", ignore_errors=True)
    (STATE / "fetching").unlink(missing_ok=True)


async def fetching(session: Session, name: str) -> tuple[asyncio.Future[None], psutil.Process]:
    """A fetch that takes for ever: its answer, and its process."""
    asked = asyncio.ensure_future(session.command("infill.getModel", name))
    async with asyncio.timeout(SECONDS):
        while not (STATE / "fetching").exists():
            await asyncio.sleep(0.01)
    return asked, psutil.Process(int((STATE / "fetching").read_text()))


async def ended(process: psutil.Process) -> None:
    async with asyncio.timeout(SECONDS):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)


async def test_it_is_offered_once_on_a_machine(connect: Connect) -> None:
    session: Session = await connect(script={"offer": LARGER})
    await session.ready()
    offer = await session.command("infill.offer")
    assert (offer["model"], offer["licence"], offer["bytes"]) == (
        LARGER,
        "Apache-2.0",
        1_117_320_768,
    )
    assert "1.1 GB, licence Apache-2.0" in offer["message"]
    assert await session.command("infill.offer") is None
    other: Session = await connect("neovim-0.12", script={"offer": LARGER})
    await other.ready()
    assert await other.command("infill.offer") is None


async def test_nothing_is_offered_where_nothing_would_be_gained(connect: Connect) -> None:
    session: Session = await connect()
    await session.ready()
    assert await session.command("infill.offer") is None
    assert not (STATE / "infill-lsp" / "offered").exists()


async def test_nothing_is_offered_while_the_model_loads_or_after_it_failed(
    connect: Connect,
) -> None:
    session: Session = await connect(script={"load_seconds": 1.0, "load_error": "broken"})
    assert await session.command("infill.offer") is None
    await session.status("broken")
    assert await session.command("infill.offer") is None


async def test_it_is_fetched_with_progress_and_every_window_uses_it(connect: Connect) -> None:
    session: Session = await connect(model="auto")
    other: Session = await connect(model="auto")
    for each in (session, other):
        await each.ready()
    answer = await session.command("infill.getModel")
    assert (answer["model"], answer["message"]) == (LARGER, "Qwen2.5-Coder-1.5B-Instruct is here")
    await session.status(f"{LARGER}: 40 %, fetching it")
    reports = [report for reports in session.client.progress_reports.values() for report in reports]
    percentages = [getattr(report, "percentage", None) for report in reports]
    assert 40 in percentages
    assert any("licence" in entry.message for entry in session.client.log_messages)
    for each in (session, other):
        async with asyncio.timeout(SECONDS):
            while [entry.message for entry in each.client.log_messages].count(LOADED) < 2:
                await asyncio.sleep(0.01)
        assert len(await each.inline(each.open("x = "), 0, 4)) == 1


LOADED = "fake loaded on cpu in 0.0 s"


async def test_what_the_settings_do_not_name_is_said(connect: Connect) -> None:
    session: Session = await connect()
    await session.ready()
    answer = await session.command("infill.getModel", LARGER)
    assert "set infill.model to auto" in answer["message"]


async def test_what_goes_wrong_is_one_line(connect: Connect) -> None:
    session: Session = await connect()
    await session.ready()
    with pytest.raises(JsonRpcException, match=r"^It comes with the package\.$"):
        await session.command("infill.getModel", "bundled")
    with pytest.raises(JsonRpcException, match=r"no model gpt-9; known are bundled"):
        await session.command("infill.getModel", "gpt-9")
    with pytest.raises(JsonRpcException, match="must be a text"):
        await session.command("infill.getModel", 3)
    last = await session.command("infill.status")
    assert last["message"] == "fake on cpu"


async def test_suggestions_come_meanwhile_and_cancelling_ends_it(connect: Connect) -> None:
    session: Session = await connect()
    await session.ready()
    (asked,) = session.send(
        {
            "id": "fetch",
            "method": types.WORKSPACE_EXECUTE_COMMAND,
            "params": {"command": "infill.getModel", "arguments": ["diffusiongemma"]},
        }
    )
    async with asyncio.timeout(SECONDS):
        while not (STATE / "fetching").exists():
            await asyncio.sleep(0.01)
    process = psutil.Process(int((STATE / "fetching").read_text()))
    if os.name == "posix":
        assert process.nice() >= 10
    assert len(await session.inline(session.open("x = "), 0, 4)) == 1
    session.send({"method": "$/cancelRequest", "params": {"id": "fetch"}})
    with pytest.raises(Exception, match="ancel"):
        await asyncio.wait_for(asked, SECONDS)
    await ended(process)
    assert len(await session.inline(session.open("y = ", "b.py"), 0, 4)) == 1


async def test_it_ends_with_its_window_and_may_be_offered_again(tmp_path: Path) -> None:
    mark = STATE / "infill-lsp" / "offered" / "diffusiongemma"
    client = make_test_lsp_client()
    session = Session(client, tmp_path / "journal", "file:///folder")
    await client.start_io(*SERVER, "--stdio")
    script = json.dumps({"offer": "diffusiongemma"})
    options = {"infill": {"model": script}}
    await client.initialize_session(
        types.InitializeParams(capabilities("vscode"), initialization_options=options)
    )
    await session.ready()
    assert await session.command("infill.offer") is not None
    assert mark.exists()
    asked, process = await fetching(session, "diffusiongemma")
    await asyncio.wait_for(client.shutdown_session(), SECONDS)
    await ended(process)
    async with asyncio.timeout(SECONDS):
        while mark.exists():
            await asyncio.sleep(0.01)
    await client.stop()
    await asyncio.wait([asked], timeout=SECONDS)
    assert asked.exception() is not None
