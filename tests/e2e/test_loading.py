"""The time before the model is there, and the model that never comes."""

from __future__ import annotations

import asyncio
import time

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled
from sessions import Connect, Session, inline_params

METHOD = types.TEXT_DOCUMENT_INLINE_COMPLETION


def no_progress(declared: types.ClientCapabilities) -> None:
    assert declared.window is not None
    declared.window.work_done_progress = None


async def test_what_is_asked_while_the_model_loads_is_answered_when_it_has(
    connect: Connect, transport: str
) -> None:
    session: Session = await connect(transport=transport, script={"load_seconds": 1.0})
    uri = session.open("x = ")
    asked = asyncio.ensure_future(session.inline(uri, 0, 4))
    assert (await session.status("loading")).busy
    assert len(await asked) == 1
    await session.ready()
    assert len(session.journal("request")) == 1


async def test_typing_on_while_the_model_loads(connect: Connect) -> None:
    """The newest request is answered; older ones end, whether or not the client cancels them."""
    session: Session = await connect(script={"load_seconds": 2.5})
    uri = session.open("x = ")
    await session.status("loading")
    older, newer = session.send(
        {"id": "older", "method": METHOD, "params": inline_params(uri, 0, 3)},
        {"id": "newer", "method": METHOD, "params": inline_params(uri, 0, 4)},
    )
    with pytest.raises(JsonRpcRequestCancelled):
        await asyncio.wait_for(older, 1.0)
    session.send({"method": "$/cancelRequest", "params": {"id": "newer"}})
    with pytest.raises(JsonRpcRequestCancelled):
        await asyncio.wait_for(newer, 1.0)
    assert "loading" in session.statuses[-1].message, "not yet"
    session.change(uri, 2, (0, 4, 0, 4, "1"))
    assert len(await session.inline(uri, 0, 5)) == 1
    assert [entry["prefix"] for entry in session.journal("request")] == ["x = 1"]


async def test_what_is_snoozed_while_it_waits_for_the_model(connect: Connect) -> None:
    session: Session = await connect(script={"load_seconds": 1.0})
    asked = asyncio.ensure_future(session.inline(session.open("x = "), 0, 4))
    await session.status("loading")
    await session.command("infill.snooze", 5)
    assert await asked == []
    await session.status("snoozed for 5 more minutes")
    assert session.journal("request") == []


async def test_a_menu_does_not_wait_for_the_model(connect: Connect) -> None:
    """Other servers' entries would wait with it."""
    session: Session = await connect(script={"load_seconds": 30}, completionFallback="always")
    uri = session.open("x = ")
    params = types.CompletionParams(types.TextDocumentIdentifier(uri), types.Position(0, 4))
    answer = await asyncio.wait_for(session.client.text_document_completion_async(params), 5.0)
    assert isinstance(answer, types.CompletionList)
    assert not answer.items


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
    session: Session = await connect(script={"load_error": cure, "load_seconds": 1.0})
    uri = session.open("x = ")
    began = time.monotonic()
    assert await session.inline(uri, 0, 4) == []
    assert time.monotonic() - began < 5, "answered as soon as that is known"
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
