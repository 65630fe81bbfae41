"""The time before the model is there, and the model that never comes."""

from __future__ import annotations

import asyncio

from lsprotocol import types
from sessions import Connect, Session


def no_progress(declared: types.ClientCapabilities) -> None:
    assert declared.window is not None
    declared.window.work_done_progress = None


async def test_requests_before_the_model_is_loaded(connect: Connect, transport: str) -> None:
    session: Session = await connect(transport=transport, script={"load_seconds": 1.0})
    uri = session.open("x = ")
    assert await session.inline(uri, 0, 4) == [], "answered at once, and never null"
    status = await session.status("loading")
    assert status.busy
    await session.ready()
    assert len(await session.inline(uri, 0, 4)) == 1


async def test_progress_while_loading(connect: Connect) -> None:
    session: Session = await connect(script={"load_seconds": 0.6})
    await session.ready()
    async with asyncio.timeout(10):
        while True:
            ((_, reports),) = session.client.progress_reports.items()
            if any(isinstance(report, types.WorkDoneProgressEnd) for report in reports):
                break
            await asyncio.sleep(0.01)
    assert isinstance(reports[0], types.WorkDoneProgressBegin)
    assert "model" in (reports[0].message or "")
    percentages = [getattr(report, "percentage", None) for report in reports[1:-1]]
    assert percentages == sorted(percentages)
    assert 75 in percentages
    await session.status("75%, weights")


async def test_no_progress_for_a_client_that_shows_none(connect: Connect) -> None:
    session: Session = await connect(script={"load_seconds": 0.1}, edit=no_progress)
    await session.ready()
    assert session.client.progress_reports == {}


async def test_a_model_that_cannot_be_loaded(connect: Connect) -> None:
    cure = "no folder `x`; run `infill-lsp models`"
    session: Session = await connect(script={"load_error": cure})
    uri = session.open("x = ")
    status = await session.status(cure)
    assert (status.kind, status.busy) == ("Error", False)
    assert await session.inline(uri, 0, 4) == []
    assert [message.message for message in session.client.messages] == [f"infill-lsp: {cure}"]

    session.client.set_configuration({"infill": {"model": '{"answer": "1"}'}})
    session.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
    await session.ready()
    assert len(await session.inline(uri, 0, 4)) == 1, "mended without a restart"


async def test_another_model_stands_in_for_one_that_cannot_be_loaded(connect: Connect) -> None:
    """It fills, and the status says all the time why it is not the one that was asked for."""
    cure = "the file x is damaged; download the model again"
    session: Session = await connect(script={"answer": "1", "instead": cure})
    uri = session.open("x = ")
    status = await session.status(cure)
    assert (status.kind, status.busy) == ("Warning", False)
    assert status.message.startswith("the bundled model stands in")
    assert len(await session.inline(uri, 0, 4)) == 1
    last = await session.command("infill.status")
    assert (last["kind"], last["message"]) == ("Warning", status.message)
    assert [cure in message.message for message in session.client.messages] == [True]


async def test_reload_starts_the_engine_again(connect: Connect) -> None:
    session: Session = await connect(script={"load_error": "out of memory"})
    await session.status("out of memory")
    session.client.messages.clear()
    await session.command("infill.reload")
    async with asyncio.timeout(10):
        while not session.client.messages:
            await asyncio.sleep(0.01)


async def test_what_was_loaded_is_logged(connect: Connect) -> None:
    session: Session = await connect()
    await session.ready()
    async with asyncio.timeout(10):
        while not any("loaded on cpu" in entry.message for entry in session.client.log_messages):
            await asyncio.sleep(0.01)
