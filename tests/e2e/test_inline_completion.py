"""textDocument/inlineCompletion, as VS Code and Neovim ask for it."""

from __future__ import annotations

import asyncio

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from sessions import SECONDS, Connect, Session, inline_params

METHOD = "textDocument/inlineCompletion"
BODY = "def add(a, b):\n    \n"


def text_of(items: list[types.InlineCompletionItem]) -> list[str]:
    return [str(item.insert_text) for item in items]


def range_of(item: types.InlineCompletionItem) -> tuple[int, int, int, int]:
    where = item.range
    assert where is not None, "without a range VS Code replaces the word at the cursor"
    return where.start.line, where.start.character, where.end.line, where.end.character


@pytest.mark.parametrize("editor", ["vscode", "neovim-0.12"])
async def test_capability_is_announced(connect: Connect, editor: str, transport: str) -> None:
    """Trap P1: registered without options, the capability is missing from the answer."""
    session = await connect(editor, transport)
    assert session.result.capabilities.inline_completion_provider is not None


async def test_one_item_with_range_and_command(connect: Connect, transport: str) -> None:
    session: Session = await connect(transport=transport, script={"answer": "return a + b"})
    uri = session.open(BODY)
    await session.ready()
    (item,) = await session.inline(uri, 1, 4)
    assert item.insert_text == "return a + b"
    assert item.filter_text == "return a + b"
    assert range_of(item) == (1, 4, 1, 4)
    assert item.command is not None
    assert item.command.command == "infill.accepted"
    await session.command("infill.accepted", *(item.command.arguments or ()))
    assert (await session.command("infill.status"))["accepted"] == 1


async def test_several_distinct_items_when_invoked(connect: Connect) -> None:
    answers = ["return a + b", "return a + b", "return b + a", "return sum((a, b))"]
    session: Session = await connect(script={"answer": answers}, variants=4)
    uri = session.open(BODY)
    await session.ready()
    assert text_of(await session.inline(uri, 1, 4)) == ["return a + b"]
    items = await session.inline(uri, 1, 4, invoked=True)
    assert text_of(items) == ["return a + b", "return b + a", "return sum((a, b))"]


async def test_typed_through_without_a_forward(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "return a + b"})
    uri = session.open(BODY)
    await session.ready()
    await session.inline(uri, 1, 4)
    forwards = session.journal("end")[-1]["forwards"]
    for count, letter in enumerate("return a", start=1):
        session.change(uri, 1 + count, (1, 3 + count, 1, 3 + count, letter))
        (item,) = await session.inline(uri, 1, 4 + count)
        assert item.insert_text == "return a + b", "includes what was typed"
        assert range_of(item) == (1, 4, 1, 4 + count), "stays where it was first shown"
    assert len(session.journal("request")) == 1
    assert session.journal("end")[-1]["forwards"] == forwards


async def test_after_an_acceptance_the_next_one_is_made_ahead(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "1"})
    uri = session.open("x = \n")
    await session.ready()
    (item,) = await session.inline(uri, 0, 4)
    session.change(uri, 2, (0, 4, 0, 4, "1"))
    assert item.command is not None
    await session.command("infill.accepted", *(item.command.arguments or ()))
    await session.journalled("end", 2)
    assert text_of(await session.inline(uri, 0, 5)) == ["1"]
    assert len(session.journal("request")) == 2


async def test_typing_something_else_asks_again(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "a + b"})
    uri = session.open(BODY)
    await session.ready()
    await session.inline(uri, 1, 4)
    session.change(uri, 2, (1, 4, 1, 4, "x = "))
    await session.inline(uri, 1, 8)
    assert len(session.journal("request")) == 2


async def test_undo_is_served_again(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "a + b"})
    uri = session.open(BODY)
    await session.ready()
    first = await session.inline(uri, 1, 4)
    session.change(uri, 2, (1, 4, 1, 4, "x = "))
    await session.inline(uri, 1, 8)
    session.change(uri, 3, (1, 4, 1, 8, ""))
    assert text_of(await session.inline(uri, 1, 4)) == text_of(first)
    assert len(session.journal("request")) == 2


async def test_selected_completion_is_extended(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "(a, b)"})
    uri = session.open("def add(a, b):\n    return su\n")
    await session.ready()
    popup = types.Range(types.Position(1, 11), types.Position(1, 13))
    (item,) = await session.inline(
        uri, 1, 13, selected=types.SelectedCompletionInfo(range=popup, text="sum")
    )
    assert str(item.insert_text).startswith("sum(")
    assert item.range == popup
    assert session.journal("request")[0]["prefix"].endswith("return sum")


async def test_selected_completion_elsewhere_gives_nothing(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "(a, b)"})
    uri = session.open("def add(a, b):\n    return su\n")
    await session.ready()
    popup = types.Range(types.Position(0, 0), types.Position(0, 3))
    selected = types.SelectedCompletionInfo(range=popup, text="sum")
    assert await session.inline(uri, 1, 13, selected=selected) == []
    await session.status("popup")


async def test_the_newest_request_wins(connect: Connect) -> None:
    """Neovim sends the next request without cancelling the one before."""
    session: Session = await connect(
        "neovim-0.12", script={"answer": "return a + b", "steps": 100, "step_seconds": 0.05}
    )
    uri = session.open(BODY)
    await session.ready()
    older = asyncio.ensure_future(session.inline(uri, 1, 4))
    await session.journalled("request")
    session.change(uri, 2, (1, 4, 1, 4, "x"))
    newer = asyncio.ensure_future(session.inline(uri, 1, 5))
    with pytest.raises(JsonRpcException) as refused:
        await older
    assert refused.value.code == -32800, "Neovim is silent about this one only"
    assert (await session.command("infill.status"))["busy"], "with the newer one"
    (end,) = (await session.journalled("end"))[:1]
    assert end["cancelled"]
    assert end["forwards"] < 100
    newer.cancel()


async def test_cancelling_stops_the_engine(connect: Connect, transport: str) -> None:
    """Traps P2 and P3: in a `@thread` handler the cancel would be ignored, and the answer come
    after all five seconds."""
    session: Session = await connect(
        transport=transport, script={"answer": "x", "steps": 100, "step_seconds": 0.05}
    )
    uri = session.open(BODY)
    await session.ready()
    params = inline_params(uri, 1, 4)
    (running,) = session.send({"id": "slow", "method": METHOD, "params": params})
    await session.journalled("request")
    began = asyncio.get_running_loop().time()
    session.client.cancel_request(types.CancelParams("slow"))
    with pytest.raises(JsonRpcException) as refused:
        await asyncio.wait_for(running, SECONDS)
    assert refused.value.code == -32800
    assert asyncio.get_running_loop().time() - began < 2.0
    (end,) = await session.journalled("end")
    assert end["cancelled"]


async def test_a_request_sees_the_text_before_later_changes(connect: Connect) -> None:
    """Both messages may arrive in one packet; the handler must not start after the change."""
    session: Session = await connect(script={"answer": "return a + b"})
    uri = session.open(BODY)
    await session.ready()
    change = {
        "textDocument": {"uri": uri, "version": 2},
        "contentChanges": [{"text": "wholly different"}],
    }
    (answer,) = session.send(
        {"id": "a", "method": METHOD, "params": inline_params(uri, 1, 4)},
        {"method": "textDocument/didChange", "params": change},
    )
    await asyncio.wait_for(answer, SECONDS)
    (request,) = await session.journalled("request")
    assert request["prefix"] == "def add(a, b):\n    "


async def test_an_answer_for_a_text_that_moved_on(connect: Connect) -> None:
    session: Session = await connect(
        script={"answer": "return a + b", "steps": 4, "step_seconds": 0.1}
    )
    uri = session.open(BODY)
    await session.ready()
    typed_along = asyncio.ensure_future(session.inline(uri, 1, 4))
    await session.journalled("request")
    session.change(uri, 2, (1, 4, 1, 4, "ret"))
    (item,) = await typed_along
    assert item.insert_text == "return a + b"
    assert range_of(item) == (1, 4, 1, 7)

    session.change(uri, 3, (1, 4, 1, 7, "y = "))
    typed_elsewhere = asyncio.ensure_future(session.inline(uri, 1, 8))
    await session.journalled("request", 2)
    session.change(uri, 4, (0, 0, 0, 0, "# "))
    session.change(uri, 5, (1, 8, 1, 8, "zzz"))
    assert await typed_elsewhere == []
    await session.status("changed meanwhile")


async def test_a_request_for_an_older_version(connect: Connect) -> None:
    """Trap P8: clients made for Copilot's server send a version; the converter drops it."""
    session: Session = await connect(script={"answer": "a + b"})
    uri = session.open(BODY)
    session.change(uri, 7, (1, 4, 1, 4, "x = "))
    await session.ready()

    params = inline_params(uri, 1, 8, version=6)
    (answer,) = session.send({"id": "old", "method": METHOD, "params": params})
    assert (await asyncio.wait_for(answer, SECONDS)).items == []
    assert session.journal("request") == []

    params = inline_params(uri, 1, 8, version=7)
    (answer,) = session.send({"id": "new", "method": METHOD, "params": params})
    assert len((await asyncio.wait_for(answer, SECONDS)).items) == 1


async def test_invalid_parameters_are_refused(connect: Connect, transport: str) -> None:
    """Trap P7: pygls never answers; the editor would wait for ever."""
    session: Session = await connect(transport=transport)
    uri = session.open(BODY)
    wrong = {**inline_params(uri, 0, 0), "context": {"triggerKind": 9}}
    (answer,) = session.send({"id": "wrong", "method": METHOD, "params": wrong})
    with pytest.raises(JsonRpcException) as refused:
        await asyncio.wait_for(answer, SECONDS)
    assert refused.value.code == -32602
    assert "trigger" in refused.value.message
    assert session.client.messages == [], "no pop-up for what the client did wrong"


async def test_an_engine_that_fails_once(connect: Connect) -> None:
    session: Session = await connect(script={"error": "out of memory; use a smaller model"})
    uri = session.open(BODY)
    await session.ready()
    assert await session.inline(uri, 1, 4) == []
    status = await session.status("smaller model")
    assert status.kind == "Error"
    assert (await session.command("infill.status"))["kind"] == "Error", "the server lives on"


async def test_a_document_that_was_never_opened(connect: Connect) -> None:
    session: Session = await connect()
    await session.ready()
    assert await session.inline("file:///folder/unknown.py", 0, 0) == []
    await session.status("not opened")


async def test_positions_outside_the_text(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "x = 1"})
    uri = session.open("")
    await session.ready()
    (item,) = await session.inline(uri, 2_000_000, 2_000_000)
    assert range_of(item) == (0, 0, 0, 0)
