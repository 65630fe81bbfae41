"""The next fill ahead of its request: behind an accepted suggestion, while nothing else is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from fake_engine import FakeEngine

from infill_lsp.completer import Answer, Completer
from infill_lsp.documents import Change, Document

SAYS = {"x = ": "one", "x = one": " + two"}


class Desk:
    """A completer, and a document of one line in which suggestions are accepted."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.completer = Completer()
        self.completer.engine = engine
        self.document = Document("file:///a.py", "x = ", language_id="python", encoding="utf-32")

    async def ask(self, *, automatic: bool = True) -> Answer:
        end = len(self.document.text)
        return await self.completer.suggest(self.document, 0, end, automatic=automatic)

    def type(self, text: str) -> None:
        end = len(self.document.text)
        change = Change(text, ((0, end), (0, end)))
        self.document.apply([change], self.document.version + 1)

    def accept(self, answer: Answer) -> None:
        (suggestion,) = answer.suggestions
        where = ((0, suggestion.start), (0, suggestion.end))
        self.document.apply([Change(suggestion.text, where)], self.document.version + 1)
        self.completer.prefetch(self.document, suggestion.id)

    async def made(self, requests: int, forwards: int) -> None:
        """Until the engine was asked so often and did so much, and what came of it was taken in."""
        async with asyncio.timeout(10):
            while (len(self.engine.requests), self.engine.forwards) != (requests, forwards):
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    engine = FakeEngine(lambda request: [SAYS.get(request.prefix, "other")], steps=2)
    await asyncio.wrap_future(engine.ready)
    yield Desk(engine)
    engine.close()


def text(answer: Answer) -> list[str]:
    return [each.text for each in answer.suggestions]


async def test_the_next_request_needs_no_forward(desk: Desk) -> None:
    desk.accept(await desk.ask())
    await desk.made(2, forwards=4)
    assert desk.engine.requests[-1].gives_way
    answer = await desk.ask()
    assert text(answer) == [" + two"]
    assert answer.filled is None
    desk.type(" ")
    assert text(await desk.ask()) == [" + two"], "typed along"
    assert desk.engine.forwards == 4


async def test_a_request_for_the_same_place_waits_for_what_is_under_way(desk: Desk) -> None:
    answer = await desk.ask()
    desk.engine.gate.clear()
    desk.accept(answer)
    asked = asyncio.ensure_future(desk.ask())
    await asyncio.sleep(0.05)
    assert len(desk.engine.requests) == 2, "not asked a second time"
    desk.engine.gate.set()
    assert text(await asked) == [" + two"]
    assert desk.engine.forwards == 4


async def test_any_other_request_ends_it_and_waits_for_none_of_it(desk: Desk) -> None:
    answer = await desk.ask()
    desk.engine.gate.clear()
    desk.accept(answer)
    await desk.made(2, forwards=2)
    desk.type("t")
    asked = asyncio.ensure_future(desk.ask())
    await desk.made(3, forwards=2)
    assert desk.engine.cancellations == 1, "although it was not let go"
    desk.engine.gate.set()
    assert text(await asked) == ["other"]
    assert desk.engine.forwards == 4


async def test_who_asks_for_variants_does_not_get_the_one_made_ahead(desk: Desk) -> None:
    answer = await desk.ask()
    desk.engine.gate.clear()
    desk.accept(answer)
    await desk.made(2, forwards=2)
    asked = asyncio.ensure_future(desk.ask(automatic=False))
    await desk.made(3, forwards=2)
    desk.engine.gate.set()
    await asked
    assert desk.engine.requests[-1].variants == 3
    assert desk.engine.cancellations == 1


async def test_a_request_that_is_cancelled_ends_what_it_waits_for(desk: Desk) -> None:
    answer = await desk.ask()
    desk.engine.gate.clear()
    desk.accept(answer)
    asked = asyncio.ensure_future(desk.ask())
    await asyncio.sleep(0.05)
    desk.completer.cancel(desk.document.uri)
    with pytest.raises(asyncio.CancelledError):
        await asked
    async with asyncio.timeout(10):
        while not desk.engine.cancellations:
            await asyncio.sleep(0.001)


async def test_what_the_engine_gave_up_is_asked_for_again(desk: Desk) -> None:
    answer = await desk.ask()
    desk.engine.gate.clear()
    submit, jobs = desk.engine.submit, []
    desk.engine.submit = lambda *asked: jobs.append(submit(*asked)) or jobs[-1]  # type: ignore[func-returns-value]
    desk.accept(answer)
    asked = asyncio.ensure_future(desk.ask())
    await asyncio.sleep(0.05)
    jobs[0].cancel("another window asks")
    desk.engine.gate.set()
    assert text(await asked) == [" + two"]
    assert [each.gives_way for each in desk.engine.requests] == [False, True, False]


@pytest.mark.parametrize("why", ["manual", "snoozed", "disabled", "moved", "elsewhere", "busy"])
async def test_nothing_is_made_ahead_where_nothing_would_be_shown(desk: Desk, why: str) -> None:
    answer = await desk.ask()
    other = asyncio.ensure_future(asyncio.sleep(0))
    match why:
        case "manual":
            desk.completer.settings = replace(desk.completer.settings, automatic=False)
        case "snoozed":
            desk.completer.snooze(10)
        case "disabled":
            desk.completer.settings = replace(
                desk.completer.settings, disabled_languages=("python",)
            )
        case "moved":
            desk.document.apply([Change("y", ((0, 0), (0, 1)))], 7)
        case "elsewhere":
            elsewhere = Document("file:///b.py", "x = one", language_id="python")
            desk.completer.prefetch(elsewhere, answer.suggestions[0].id)
        case "busy":
            desk.engine.gate.clear()
            busy = Document("file:///b.py", "y = ", language_id="python")
            other = asyncio.ensure_future(desk.completer.suggest(busy, 0, 4))  # type: ignore[assignment]
            await asyncio.sleep(0.02)
    if why != "elsewhere":
        desk.accept(answer)
    await asyncio.sleep(0.05)
    desk.engine.gate.set()
    await other
    assert not any(each.gives_way for each in desk.engine.requests)
