"""initializationOptions, workspace/configuration and didChangeConfiguration."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from lsprotocol import types
from sessions import Connect, Session


def no_pull(declared: types.ClientCapabilities) -> None:
    assert declared.workspace is not None
    declared.workspace.configuration = None


def change(session: Session, settings: Any = None) -> None:
    session.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))


async def test_the_client_s_configuration_is_pulled(connect: Connect) -> None:
    session: Session = await connect(configuration={"enabled": False})
    uri = session.open("x = ")
    await session.ready()
    assert await session.inline(uri, 0, 4) == []
    status = await session.status("switched off")
    assert status.kind == "Inactive"

    session.client.set_configuration({"infill": {"enabled": True}})
    change(session)
    async with asyncio.timeout(10):  # the server asks back before it knows
        while not await session.inline(uri, 0, 4):
            await asyncio.sleep(0.01)
    assert "workspace/didChangeConfiguration" in session.registered


async def test_a_client_that_cannot_be_asked_sends_settings(connect: Connect) -> None:
    session: Session = await connect(edit=no_pull)
    uri = session.open("x = ")
    await session.ready()
    change(session, {"infill": {"enabled": False}})
    assert await session.inline(uri, 0, 4) == []
    change(session, {"infill": {"enabled": True}})
    assert len(await session.inline(uri, 0, 4)) == 1


async def test_wrong_settings_are_named_once_and_stop_nothing(connect: Connect) -> None:
    session: Session = await connect(variants="many", deadlineMs=-1, modle="x")
    uri = session.open("x = ")
    await session.ready()
    assert len(await session.inline(uri, 0, 4, invoked=True)) == 1
    change(session)
    await session.inline(uri, 0, 4)
    said = [message.message for message in session.client.messages]
    assert len(said) == 3, "each once"
    assert any("infill.variants" in text and "1 to 16" in text for text in said)
    assert any("infill.deadlineMs" in text and "-1" in text for text in said)
    assert any("infill.modle" in text and "infill.model" in text for text in said)
    assert {message.type for message in session.client.messages} == {types.MessageType.Warning}
    assert set(said) <= {message.message for message in session.client.log_messages}


async def test_another_model_is_another_engine(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "1"})
    uri = session.open("x = ")
    await session.ready()
    assert [item.insert_text for item in await session.inline(uri, 0, 4)] == ["1"]
    session.statuses.clear()
    model = json.dumps({"answer": "2"})
    session.client.set_configuration({"infill": {"model": model}})
    change(session)
    await session.ready()
    assert [item.insert_text for item in await session.inline(uri, 0, 4)] == ["2"]


async def test_languages_and_files_that_are_switched_off(connect: Connect) -> None:
    session: Session = await connect(disabledLanguages=["markdown"])
    await session.ready()
    for name, language, says in [
        ("a.md", "markdown", "switched off for markdown"),
        (".env", "shellscript", "files like .env"),
        ("deep/server.key", "plaintext", "files like *.key"),
    ]:
        uri = session.open("x = ", name, language)
        assert await session.inline(uri, 0, 4, invoked=True) == []
        await session.status(says)
    assert session.journal("request") == []


async def test_comments_and_strings_can_be_switched_off(connect: Connect) -> None:
    session: Session = await connect(completeInComments=False, completeInStrings=False)
    await session.ready()
    comment = session.open("# so \n", "a.py")
    string = session.open('x = "so "\n', "b.py")
    assert await session.inline(comment, 0, 5) == []
    await session.status("not in comments")
    assert await session.inline(string, 0, 8) == []
    await session.status("not in strings")


async def test_only_when_asked_for(connect: Connect) -> None:
    session: Session = await connect(automatic=False)
    uri = session.open("x = ")
    await session.ready()
    assert await session.inline(uri, 0, 4) == []
    assert len(await session.inline(uri, 0, 4, invoked=True)) == 1
