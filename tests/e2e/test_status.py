"""didChangeStatus: silence always has a reason."""

from __future__ import annotations

from sessions import Connect, Session


async def test_busy_while_the_engine_works(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "1", "step_seconds": 0.05})
    uri = session.open("x = ")
    await session.ready()
    session.statuses.clear()
    await session.inline(uri, 0, 4)
    await session.status(lambda status: not status.busy)
    assert [(status.kind, status.busy) for status in session.statuses] == [
        ("Normal", True),
        ("Normal", False),
    ]


async def test_nothing_good_found(connect: Connect) -> None:
    session: Session = await connect(script={"answer": "   "})
    uri = session.open("x = ")
    await session.ready()
    assert await session.inline(uri, 0, 4) == []
    await session.status("nothing good found")


async def test_the_reason_goes_away_with_the_next_suggestion(connect: Connect) -> None:
    session: Session = await connect(disabledLanguages=["markdown"])
    code, prose = session.open("x = "), session.open("so ", "a.md", "markdown")
    await session.ready()
    await session.inline(prose, 0, 3)
    await session.inline(code, 0, 4)
    last = await session.command("infill.status")
    assert (last["kind"], last["message"]) == ("Normal", "fake on cpu")
