"""The path from a document to suggestions, with an engine that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fake_engine import FakeEngine

from engine import (
    Cancelled,
    Draft,
    EngineError,
    InfillEngine,
    InfillRequest,
    Job,
    Stop,
)
from infill_lsp.completer import Answer, Completer
from infill_lsp.completion import fill
from infill_lsp.documents import Change, Document
from infill_lsp.settings import Settings
from infill_lsp.suggestions import Popup


def document(text: str, name: str = "a.py", language: str = "python") -> Document:
    return Document(f"file:///{name}", text, language_id=language, encoding="utf-32")


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    fake = FakeEngine("1")
    yield fake
    fake.close()


async def completer(engine: InfillEngine, **settings: object) -> Completer:
    made = Completer()
    made.engine = engine
    made.settings = replace(Settings(), **settings)
    await asyncio.wrap_future(engine.ready)
    return made


def texts(answer: Answer) -> list[str]:
    return [suggestion.text for suggestion in answer.suggestions]


async def until(condition: object) -> None:
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.001)


async def test_fill_asks_for_what_is_around_the_gap(engine: FakeEngine) -> None:
    snapshot = document("x = 2 + 3\ny = x\n").snapshot()
    drafts: list[Draft] = []
    filled = await fill(
        engine,
        snapshot,
        4,
        9,
        settings=Settings(),
        variants=2,
        seed=7,
        deadline=3.0,
        document="key",
        on_draft=drafts.append,
    )
    (request,) = engine.requests
    assert (request.prefix, request.suffix) == ("x = ", "\ny = x\n")
    assert (request.language, request.path) == ("python", "a.py")
    assert (request.variants, request.seed, request.deadline) == (2, 7, 3.0)
    assert request.document == "key"
    assert request.is_complete is not None
    (suggestion,) = filled.suggestions
    assert (suggestion.start, suggestion.end, suggestion.text) == (4, 9, "1")
    assert filled.draft is not None
    assert filled.draft.final
    assert filled.ms.keys() == {"context", "postprocess"}
    assert len(drafts) == engine.steps + 1
    assert drafts[-1] == filled.draft


async def test_fill_raises_what_the_user_can_mend() -> None:
    broken = FakeEngine(error="out of memory; use a smaller model")
    with pytest.raises(EngineError, match="smaller"):
        await fill(broken, document("x = ").snapshot(), 4, settings=Settings())
    with pytest.raises(ValueError, match=r"."):
        await fill(broken, document("x = ").snapshot(), 99, settings=Settings())


@pytest.mark.parametrize(
    ("multiline", "text", "automatic", "single"),
    [
        ("auto", "def f():\n    \n", True, False),
        ("never", "def f():\n    \n", True, True),
        ("always", "x = \n", True, False),
        ("always", "x =  + 1\n", True, True),
        # in the middle of a line only who asks gets several
        ("auto", "x =  + 1\n", True, True),
        ("auto", "x =  + 1\n", False, False),
        ("auto", "x = \n", False, True),
        ("never", "x =  + 1\n", False, True),
    ],
)
async def test_multiline(
    engine: FakeEngine, multiline: str, text: str, automatic: bool, single: bool
) -> None:
    settings = replace(Settings(), multiline=multiline)
    offset = text.index(":\n    ") + 6 if "def" in text else 4
    snapshot = document(text).snapshot()
    await fill(engine, snapshot, offset, settings=settings, automatic=automatic)
    assert engine.requests[0].single_line == single


async def test_an_automatic_request_is_quiet_where_the_context_says_so(engine: FakeEngine) -> None:
    snapshot = document("value = something_long\n").snapshot()
    filled = await fill(engine, snapshot, 10, settings=Settings(), automatic=True)
    assert filled.draft is None
    assert filled.silence
    assert engine.requests == []
    asked_for = await fill(engine, snapshot, 10, settings=Settings())
    assert asked_for.draft is not None


async def test_a_popup_s_entry_is_extended(engine: FakeEngine) -> None:
    engine.answer = "(a)"
    popup = Popup(4, 6, "sum")
    filled = await fill(
        engine, document("x = su\n").snapshot(), 6, settings=Settings(), popup=popup
    )
    assert engine.requests[0].prefix == "x = sum"
    (suggestion,) = filled.suggestions
    assert (suggestion.start, suggestion.end, suggestion.text) == (4, 6, "sum(a)")


async def test_a_deadline_without_a_fill_is_named(engine: FakeEngine) -> None:
    engine.answer, engine.stop = "", Stop.DEADLINE
    answer = await (await completer(engine, deadline_ms=70)).suggest(document("x = "), 0, 4)
    assert "70 ms" in answer.status.message
    assert "infill.deadlineMs" in answer.status.message


async def test_deadlines_and_variants_by_kind_of_request(engine: FakeEngine) -> None:
    asks = await completer(engine, deadline_ms=70, invoked_deadline_ms=700, variants=1)
    await asks.suggest(document("x = "), 0, 4, automatic=True)
    await asks.suggest(document("y = "), 0, 4, automatic=False)
    assert [request.deadline for request in engine.requests] == [0.07, 0.7]


async def test_newest_wins_per_document_only(engine: FakeEngine) -> None:
    asks = await completer(engine)
    one, other = document("x = ", "one.py"), document("y = ", "other.py")
    engine.gate.clear()
    older = asyncio.ensure_future(asks.suggest(one, 0, 4))
    beside = asyncio.ensure_future(asks.suggest(other, 0, 4))
    await until(lambda: len(engine.requests) == 2)
    newer = asyncio.ensure_future(asks.suggest(one, 0, 4))
    with pytest.raises(asyncio.CancelledError):
        await older
    engine.gate.set()
    assert texts(await newer) == texts(await beside) == ["1"]
    assert engine.cancellations == 1
    assert len({request.document for request in engine.requests}) == 2


async def test_cancelling_the_task_stops_the_engine_between_steps() -> None:
    slow = FakeEngine("1", steps=1000, step_seconds=0.002)
    asks = await completer(slow)
    task = asyncio.ensure_future(asks.suggest(document("x = "), 0, 4))
    await until(lambda: slow.forwards > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    at_most = slow.forwards + 1
    await until(lambda: slow.cancellations == 1)
    assert slow.forwards <= at_most


async def test_an_engine_that_drops_a_request_itself(engine: FakeEngine) -> None:
    class Dropping(FakeEngine):
        def _fill(self, request: InfillRequest, job: Job, on_draft: object) -> Draft:
            raise Cancelled

    with pytest.raises(asyncio.CancelledError):
        await (await completer(Dropping())).suggest(document("x = "), 0, 4)


async def test_nothing_is_left_running_after_an_answer(engine: FakeEngine) -> None:
    asks = await completer(engine)
    mirrored = document("x = ")
    await asks.suggest(mirrored, 0, 4)
    asks.cancel(mirrored.uri)  # would cancel this very test
    await asyncio.sleep(0)


async def test_silence_has_a_reason(engine: FakeEngine) -> None:
    mirrored = document("x = ")
    nobody = Completer()
    assert "not started" in (await nobody.suggest(mirrored, 0, 4)).status.message
    loading = FakeEngine(load_seconds=60)
    nobody.engine = loading
    answer = await nobody.suggest(mirrored, 0, 4)
    assert answer.status.busy
    assert "loading" in answer.status.message
    late = await nobody.suggest(mirrored, 0, 4, patience=0.01)
    assert late.status == answer.status, "waited for, but not for ever"
    failing = FakeEngine(load_error="no such model; run `infill-lsp models`")
    await until(failing.ready.done)
    nobody.engine = failing
    answer = await nobody.suggest(mirrored, 0, 4)
    assert (answer.status.kind, answer.status.message) == ("Error", str(failing.ready.exception()))


async def test_snooze_ends_by_itself(engine: FakeEngine) -> None:
    asks = await completer(engine)
    asks.snooze(1)
    assert "1 more minute" in (await asks.suggest(document("x = "), 0, 4)).status.message
    asks.snooze(0.05 / 60)
    await asyncio.sleep(0.06)
    assert texts(await asks.suggest(document("x = "), 0, 4)) == ["1"]


async def test_reset_forgets_and_cancels(engine: FakeEngine) -> None:
    asks = await completer(engine)
    mirrored = document("x = ")
    await asks.suggest(mirrored, 0, 4)
    asks.reset()
    await asks.suggest(mirrored, 0, 4)
    assert len(engine.requests) == 2


async def test_typed_along_while_the_engine_worked(engine: FakeEngine) -> None:
    engine.answer = "12345"
    asks = await completer(engine)
    mirrored = document("x = \n")
    engine.gate.clear()
    running = asyncio.ensure_future(asks.suggest(mirrored, 0, 4))
    await until(lambda: engine.requests)
    mirrored.apply([Change("12", ((0, 4), (0, 4)))], 1)
    engine.gate.set()
    answer = await running
    (suggestion,) = answer.suggestions
    assert (suggestion.start, suggestion.end, suggestion.text) == (4, 6, "12345")
    assert answer.snapshot is mirrored.snapshot()


async def test_how_sure_a_token_must_be_is_the_user_s_choice(engine: FakeEngine) -> None:
    settings = replace(Settings(), cut_below_percent=25)
    await fill(engine, document("x = ").snapshot(), 4, settings=settings)
    assert engine.requests[0].least_confidence == 0.25


async def test_what_the_model_is_not_sure_of_is_shown_on_request_only(engine: FakeEngine) -> None:
    """The scripted engine is sure of 0.9."""
    snapshot, sure = document("x = ").snapshot(), replace(Settings(), hide_below_percent=90)
    surer = replace(sure, hide_below_percent=91)
    assert (await fill(engine, snapshot, 4, settings=sure, automatic=True)).suggestions
    assert (await fill(engine, snapshot, 4, settings=surer)).suggestions
    filled = await fill(engine, snapshot, 4, settings=surer, automatic=True)
    assert (filled.suggestions, filled.silence) == ((), "not sure enough (infill.hideBelowPercent)")


async def test_what_does_not_parse_is_asked_for_again_and_counted() -> None:
    answers = iter([["[i * for i in a]"], ["* 2"]])
    fake = FakeEngine(lambda _: next(answers), steps=0)
    await asyncio.wrap_future(fake.ready)
    filled = await fill(fake, document("x = ").snapshot(), 4, settings=Settings())
    assert [each.text for each in filled.suggestions] == ["[i * 2 for i in a]"]
    assert [request.prefix for request in fake.requests] == ["x = ", "x = [i "]


async def test_what_the_user_typed_against_is_a_guess_at_what_fits_now(engine: FakeEngine) -> None:
    """Its rest may still be right: the engine is told of it."""
    engine.answer = "compute(width, height)"
    asks = await completer(engine)
    await asks.suggest(document("x = "), 0, 4)
    await asks.suggest(document("x = area("), 0, 9)
    assert [request.former for request in engine.requests] == [(), ("compute(width, height)",)]
    for line in ("y = ", "z = ", "a = "):
        engine.answer = line.upper()
        await asks.suggest(document(line), 0, 4)
    await asks.suggest(document("b = "), 0, 4)
    assert engine.requests[-1].former == ("A =", "Z =", "Y =")


async def test_a_model_that_weighs_makes_more_fills_than_are_shown() -> None:
    """They are weighed by what of them would be shown."""
    engine = FakeEngine(["width)", "height", "depth"], weighs=True)
    snapshot = document("area = f(\nprint(area)\n").snapshot()
    try:
        await asyncio.wrap_future(engine.ready)
        filled = await fill(engine, snapshot, 9, settings=Settings())
        asked = engine.requests[-1]
        assert (asked.variants, asked.enough) == (8, 1)
        assert [each.text for each in filled.suggestions] == ["width)"]
        assert asked.shown is not None
        assert asked.shown("width)") == "width)"
        assert asked.shown("width)\nprint(area)\n") == "width)"
        assert asked.shown("width +)") is None  # another one may parse
        await fill(engine, snapshot, 9, settings=Settings(), automatic=True)
        typed = engine.requests[-1]
        assert (typed.variants, typed.enough) == (1, None)
        assert typed.shown is not None
        assert typed.shown("width +)") == "width +)"  # what follows may be typed yet
        await fill(engine, snapshot, 9, settings=Settings(), variants=12)
        assert engine.requests[-1].variants == 12
        await fill(engine, document("area = f(").snapshot(), 9, settings=Settings())
        assert (engine.requests[-1].variants, engine.requests[-1].shown) == (1, None)
    finally:
        engine.close()


async def test_another_model_is_asked_for_what_is_shown(engine: FakeEngine) -> None:
    await asyncio.wrap_future(engine.ready)
    await fill(engine, document("area = f(\nprint(area)\n").snapshot(), 9, settings=Settings())
    assert (engine.requests[-1].variants, engine.requests[-1].shown) == (1, None)


LACKING = "def f(a):\n    \n    return a * factor\n"


async def test_a_fill_begins_with_what_the_code_below_lacks_and_ends_with_it() -> None:
    engine = FakeEngine(" = 2\n    a = 3")
    try:
        filled = await fill(
            engine, document(LACKING).snapshot(), 14, settings=Settings(), automatic=True
        )
        assert [each.text for each in filled.suggestions] == ["factor = 2"]
        [asked] = engine.requests
        assert asked.begins == "factor"
        assert asked.is_complete is not None
        assert asked.is_complete("factor = 2\n")
        assert not asked.is_complete("factor = 2")  # the line may go on
        assert not asked.is_complete("factors = 2\n    a")
    finally:
        engine.close()


async def test_where_the_model_cannot_bind_it_anything_may_stand_there() -> None:
    engine = FakeEngine(lambda request: ["s.append(a)"] if request.begins else ["a = 3"])
    try:
        filled = await fill(
            engine, document(LACKING).snapshot(), 14, settings=Settings(), deadline=9.0
        )
        assert [each.text for each in filled.suggestions] == ["a = 3"]
        first, second = engine.requests
        assert (first.begins, second.begins) == ("factor", "")
        assert first.deadline == 9.0
        assert second.deadline is not None
        assert 0 < second.deadline < 9.0  # both share it
    finally:
        engine.close()


async def test_of_several_fills_those_that_bind_it_are_shown() -> None:
    engine = FakeEngine(["", " = a", " = 2"], weighs=True)
    try:
        await asyncio.wrap_future(engine.ready)
        filled = await fill(engine, document(LACKING).snapshot(), 14, settings=Settings())
        assert [each.text for each in filled.suggestions] == ["factor = a"]
        [asked] = engine.requests
        assert asked.shown is not None
        assert asked.shown("factor = 2\n    b = 1") == "factor = 2"
        assert asked.shown("factor") is None
        await fill(engine, document(LACKING).snapshot(), 14, settings=Settings(), variants=3)
        assert engine.requests[-1].begins == ""  # who asks for variants wants them to differ
    finally:
        engine.close()
