"""workspace/executeCommand."""

from __future__ import annotations

import asyncio

import pytest
from pygls.exceptions import JsonRpcException
from sessions import SECONDS, Connect, Session

from infill_lsp import usage


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


def counted() -> dict[str, int]:
    """Over all languages, what the servers of this test run have written."""
    fields = ("shown", "accepted", "partial", "characters")
    days = usage.read(usage.usage_file())
    return {field: sum(getattr(day, field) for day in days) for field in fields}


async def counted_more(before: dict[str, int], **wanted: int) -> None:
    """Wait until the counts have grown by this much."""
    async with asyncio.timeout(SECONDS):
        while {name: counted()[name] - before[name] for name in wanted} != wanted:
            await asyncio.sleep(0.02)


async def test_what_is_accepted_word_by_word_is_counted(connect: Connect) -> None:
    before = counted()
    session: Session = await connect(script={"answer": "é + 12"})
    uri = session.open("x = ")
    await session.ready()
    (item,) = await session.inline(uri, 0, 4)
    (suggestion,) = item.command.arguments
    await session.command("infill.accepted", suggestion, 2)
    await counted_more(before, shown=1, partial=1, accepted=0, characters=2)
    session.change(uri, 2, (0, 4, 0, 4, "é "))
    (again,) = await session.inline(uri, 0, 6)
    assert list(again.command.arguments) == [suggestion]
    await session.command("infill.accepted", suggestion)
    await counted_more(before, shown=1, partial=0, accepted=1, characters=6)
    assert (await session.command("infill.status"))["accepted"] == 1


async def test_nothing_is_counted_when_that_is_switched_off(connect: Connect) -> None:
    session: Session = await connect(statistics=False)
    uri = session.open("x = ")
    await session.ready()
    before = counted()
    (item,) = await session.inline(uri, 0, 4)
    await session.command("infill.accepted", *item.command.arguments)
    on: Session = await connect()
    uri = on.open("y = ")
    await on.ready()
    await on.inline(uri, 0, 4)
    await counted_more(before, shown=1, accepted=0)


async def test_a_wrong_length_is_refused(connect: Connect) -> None:
    session: Session = await connect()
    with pytest.raises(JsonRpcException) as refused:
        await session.command("infill.accepted", "1.1", "some")
    assert refused.value.code == -32602
