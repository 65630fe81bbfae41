"""workspace/executeCommand."""

from __future__ import annotations

import pytest
from pygls.exceptions import JsonRpcException
from sessions import Connect, Session


async def test_snooze_silences_automatic_requests_only(connect: Connect) -> None:
    session: Session = await connect()
    uri = session.open("x = ")
    await session.ready()
    await session.command("infill.snooze", 5)
    assert await session.inline(uri, 0, 4) == []
    status = await session.status("snoozed")
    assert status.kind == "Inactive"
    assert len(await session.inline(uri, 0, 4, invoked=True)) == 1
    await session.command("infill.snooze", 0)
    assert len(await session.inline(uri, 0, 4)) == 1


async def test_status_says_how_it_is(connect: Connect) -> None:
    session: Session = await connect()
    await session.ready()
    status = await session.command("infill.status")
    assert status == {"kind": "Normal", "message": "fake on cpu", "busy": False, "accepted": 0}


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("infill.snooze", ["soon"]), ("infill.snooze", [-1]), ("infill.unknown", [])],
)
async def test_wrong_commands_are_refused(
    connect: Connect, command: str, arguments: list[object]
) -> None:
    session: Session = await connect()
    with pytest.raises(JsonRpcException) as refused:
        await session.command(command, *arguments)
    assert refused.value.code == -32602


async def test_accepted_without_an_id_does_no_harm(connect: Connect) -> None:
    session: Session = await connect()
    assert await session.command("infill.accepted") is None
