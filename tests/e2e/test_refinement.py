"""`infill/refinement`: who asked for it sees each step of a fill, and nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from sessions import SECONDS, Connect, Session

TEXT = "def add(a, b):\n    \n"
SCRIPT = {"answer": "total = a + b", "steps": 4}


class Watched:
    """What a session is told."""

    def __init__(self, session: Session) -> None:
        self.steps: list[Any] = []
        self._ended = asyncio.Event()

        @session.client.feature("infill/refinement")
        def refined(params: Any) -> None:
            self.steps.append(params)
            if params.final:
                self._ended.set()

    async def ended(self) -> list[Any]:
        await asyncio.wait_for(self._ended.wait(), SECONDS)
        return self.steps


async def opened(connect: Connect, **options: Any) -> tuple[Session, Watched, str]:
    session = await connect(script=SCRIPT, **options)
    watched = Watched(session)
    uri = session.open(TEXT)
    await session.ready()
    return session, watched, uri


async def test_each_step_is_sent_to_the_client_that_asked(connect: Connect, transport: str) -> None:
    session, watched, uri = await opened(connect, transport=transport)
    other, unasked, others = await opened(connect)
    await session.command("infill.watch", True)
    await session.inline(uri, 1, 4)
    await other.inline(others, 1, 4)
    steps = await watched.ended()
    assert [(step.step, step.final) for step in steps] == [
        (0, False),
        (1, False),
        (2, False),
        (3, False),
        (4, True),
    ]
    assert {step.uri for step in steps} == {uri}
    assert (steps[0].position.line, steps[0].position.character) == (1, 4)
    tokens = steps[-2].tokens
    assert [token.settled for token in tokens] == [True] * 4 + [False]
    assert "".join(token.text for token in tokens) == "total = a +"
    assert all(token.free for token in tokens)
    assert unasked.steps == []


async def test_no_more_after_false(connect: Connect) -> None:
    session, watched, uri = await opened(connect)
    await session.command("infill.watch", True)
    await session.command("infill.watch", False)
    await session.inline(uri, 1, 4)
    await session.status(lambda status: not status.busy)
    assert watched.steps == []


async def test_variants_are_watched_too(connect: Connect) -> None:
    session, watched, uri = await opened(connect)
    await session.command("infill.watch", True)
    place = {"line": 1, "character": 4}
    await session.command("infill.variants", uri, {"start": place, "end": place})
    assert (await watched.ended())[-1].position.line == 1


async def test_of_a_canvas_with_several_holes_the_text_between_is_anchored(
    connect: Connect,
) -> None:
    session, watched, _ = await opened(connect)
    session.client.feature(types.WORKSPACE_APPLY_EDIT)(
        lambda _: types.ApplyWorkspaceEditResult(applied=True)
    )
    uri = session.open("x = ...\ny = ...\n", "b.py")
    await session.command("infill.watch", True)
    await session.command("infill.fillHoles", uri)
    final = (await watched.ended())[-1]
    assert (final.uri, final.position.line, final.position.character) == (uri, 0, 4)
    assert [token.text for token in final.tokens if not token.free] == ["\ny = "]


async def test_wrong_arguments_are_refused(connect: Connect) -> None:
    session, _, _ = await opened(connect)
    with pytest.raises(JsonRpcException, match="true or false"):
        await session.command("infill.watch", 1)
