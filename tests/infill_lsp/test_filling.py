"""Several holes of one text: which are asked for together, what each sees, what comes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from fake_engine import FakeEngine

from engine import CanvasFullError, Draft, InfillRequest, Job
from infill_lsp.documents import Document
from infill_lsp.edits import applied
from infill_lsp.filling import Filling, fill_holes
from infill_lsp.holes import find_holes
from infill_lsp.settings import Settings

MARKERS = Settings().hole_markers


async def fill(
    engine: FakeEngine, text: str, language: str = "python", **options: object
) -> tuple[str, Filling]:
    """The text with its holes filled."""
    await asyncio.wrap_future(engine.ready)
    snapshot = Document("file:///a", text, language_id=language, encoding="utf-32").snapshot()
    holes = find_holes(text, language, markers=MARKERS)
    filling = await fill_holes(engine, snapshot, holes, settings=Settings(), **options)  # type: ignore[arg-type]
    return applied(text, filling.edits), filling


def texts_of(request: InfillRequest) -> tuple[str, ...]:
    return (request.prefix, *request.between, request.suffix)


async def test_neighbours_share_a_canvas_and_the_text_between_is_its_anchor() -> None:
    engine = FakeEngine([["a + b", "[]", "total"]])
    text = "s = ...\nitems = ...\nprint(...)\n"
    filled, filling = await fill(engine, text)
    assert filled == "s = a + b\nitems = []\nprint(total)\n"
    (request,) = engine.requests
    assert texts_of(request) == ("s = ", "\nitems = ", "\nprint(", ")\n")
    assert (filling.asked, filling.empty) == (1, ())


async def test_one_after_another_each_sees_the_ones_before() -> None:
    answers = iter(["1", "2"])
    engine = FakeEngine(lambda request: [next(answers)] * 1)
    engine.steps = 0
    filled, filling = await fill(engine, "a = ...\nb = ...\n", together=False)
    assert [texts_of(request) for request in engine.requests] == [
        ("a = ", "\nb = ...\n"),
        ("a = 1\nb = ", "\n"),
    ]
    assert filled == "a = 1\nb = 2\n"
    assert filling.asked == 2


async def test_a_hole_by_itself_begins_with_what_the_code_below_lacks() -> None:
    engine = FakeEngine(lambda request: [" = 2 * a" if request.begins else "factor * 3"])
    filled, filling = await fill(engine, "def f(a):\n    ...\n    return a * factor\n")
    assert filled == "def f(a):\n    factor = 2 * a\n    return a * factor\n"
    assert [request.begins for request in engine.requests] == ["factor"]
    assert filling.asked == 1


@pytest.mark.parametrize("model", [{"sees_after": False}, {"order": "left_to_right"}])
async def test_a_model_that_does_not_refine_all_at_once_is_asked_one_after_another(
    model: dict[str, Any],
) -> None:
    engine = FakeEngine("1", **model)
    await asyncio.wrap_future(engine.ready)
    text = "a = ...\nb = ...\n"
    snapshot = Document("file:///a.py", text, language_id="python").snapshot()
    holes = find_holes(text, "python", markers=MARKERS)
    await fill_holes(engine, snapshot, holes, settings=Settings())
    assert len(engine.requests) == 2


async def test_holes_far_apart_are_asked_for_apart_with_what_came_before() -> None:
    engine = FakeEngine("1")
    text = "a = ...\n" + "".join(f"x{number} = {number}\n" for number in range(100)) + "b = ...\n"
    filled, _ = await fill(engine, text)
    assert [len(request.between) for request in engine.requests] == [0, 0]
    assert engine.requests[1].prefix.startswith("a = 1\n")
    assert filled == text.replace("...", "1")


async def test_a_canvas_that_is_full_is_divided_at_the_widest_place() -> None:
    class Small(FakeEngine):
        def _fill(self, request: InfillRequest, job: Job, on_draft: object) -> Draft:
            if len(request.between) > 1:
                raise CanvasFullError("too much for a canvas")
            return super()._fill(request, job, None)

    engine = Small("1")
    filled, _ = await fill(engine, "a = ...\n\nprint(a)\nb = ...\nc = ...\n")
    assert [len(request.between) for request in engine.requests] == [2, 0, 1]
    assert filled == "a = 1\n\nprint(a)\nb = 1\nc = 1\n"


async def test_bodies_bring_their_lines_and_what_is_known_is_not_asked() -> None:
    engine = FakeEngine("return a;")
    text = "function f(a) {\n}\nlet x = f(1;\n"
    filled, filling = await fill(engine, text, "javascript")
    assert filled == "function f(a) {\n    return a;\n}\nlet x = f(1);\n"
    assert texts_of(engine.requests[0]) == ("function f(a) {\n    ", "\n}\nlet x = f(1);\n")
    assert filling.asked == 1


async def test_a_hole_without_a_good_fill_stays_as_it_was() -> None:
    engine = FakeEngine([["", "2"]])
    filled, filling = await fill(engine, "a = ...\nb = ...\n")
    assert filled == "a = ...\nb = 2\n"
    assert [hole.start for hole in filling.empty] == [4]


async def test_what_does_not_parse_is_only_replaced_by_something_better() -> None:
    text = "let y = a +* 2;\n"
    filled, filling = await fill(FakeEngine("+"), text, "javascript")
    assert filled == text
    assert [hole.kind for hole in filling.empty] == ["error"]
    filled, _ = await fill(FakeEngine("+ 1"), text, "javascript")
    assert filled == "let y = a + 1* 2;\n"


async def test_fills_are_cut_as_suggestions_are() -> None:
    engine = FakeEngine([["1\nb = 7", "foo(2))"]])
    filled, _ = await fill(engine, "a = ...\nb = max(...)\n")
    assert filled == "a = 1\nb = max(foo(2))\n"


async def test_crlf_tabs_and_letters_beyond_ascii() -> None:
    engine = FakeEngine([["x = 1\n\t\treturn x", "'ö'"]])
    text = "class Ä:\r\n\tdef f(self):\r\n\t\t...\r\n\r\nß = ...\r\n"
    filled, _ = await fill(engine, text)
    assert filled == "class Ä:\r\n\tdef f(self):\r\n\t\tx = 1\r\n\t\treturn x\r\n\r\nß = 'ö'\r\n"


async def test_what_does_not_parse_is_made_anew_and_nothing_else() -> None:
    def answer(request: InfillRequest) -> Sequence[str]:
        if request.prefix.endswith("= [i "):
            return ["* 2"]
        return ["[i * for i in a]"]

    engine = FakeEngine(answer)
    filled, filling = await fill(engine, "doubles = ...\n")
    assert filled == "doubles = [i * 2 for i in a]\n"
    again = engine.requests[1]
    assert texts_of(again) == ("doubles = [i ", " for i in a]\n")
    assert filling.asked == 2


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_the_editor_hears_of_each_canvas(count: int) -> None:
    engine = FakeEngine("1")
    heard: list[int] = []
    await fill(engine, "a = ...\n" * count, together=False, on_canvas=heard.append)
    assert heard == list(range(count))
