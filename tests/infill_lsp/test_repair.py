"""A fill that does not parse: what of it is made anew, how often, and when it stays as it was."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine import Draft, Fill, InfillRequest, Stats, Stop
from infill_lsp.asking import request_for
from infill_lsp.context import Context, gather
from infill_lsp.documents import Document
from infill_lsp.faults import error_span
from infill_lsp.repair import ROUNDS, mended, parses


class Asked:
    """Answers requests in turn, and keeps them."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.requests: list[InfillRequest] = []
        self._answers = list(answers)

    async def __call__(self, request: InfillRequest) -> Draft:
        self.requests.append(request)
        fills = tuple(Fill((text,), 0.5) for text in self._answers.pop(0))
        return Draft(1, fills, Stop.STABLE, Stats())


def context_of(text: str, language: str = "python") -> Context:
    at = text.index("‸")
    document = Document("file:///a", text.replace("‸", ""), language_id=language)
    return replace(gather(document.snapshot(), at), sees_after=True)


async def mend(
    text: str, fill: str, asked: Asked, *, until: float = math.inf, **changes: object
) -> str:
    context = replace(context_of(text), **changes)  # type: ignore[arg-type]
    request = request_for(context, 1, 7, None, "key")
    return await mended(fill, request, context, asked, until)


async def test_only_the_error_is_asked_for_again_and_seen_from_both_sides() -> None:
    asked = Asked(["* 2"])
    assert await mend("a = ‸\nb = 1\n", "[i * for i in c]", asked) == "[i * 2 for i in c]"
    (request,) = asked.requests
    assert (request.prefix, request.suffix) == ("a = [i ", " for i in c]\nb = 1\n")
    assert request.single_line
    assert request.document == "key"
    assert request.deadline is None
    assert request.shown is not None  # of several, one that lets the whole parse
    assert (request.shown("* 2"), request.shown("* *")) == ("* 2", None)


async def test_the_same_again_is_passed_over_for_the_next_variant() -> None:
    assert await mend("a = ‸\n", "f(1, ,2)", Asked([",", ", 3"])) == "f(1, 3 ,2)"


def test_what_leaves_an_error_is_told_apart() -> None:
    context = context_of("a = ‸\n")
    assert parses("[i for i in c]", context)
    assert not parses("[i * for i in c]", context)
    assert parses("[i * for i in c]", replace(context, in_string=True))


async def test_what_parses_is_left_alone() -> None:
    asked = Asked()
    assert await mend("a = ‸\n", "f(1)", asked) == "f(1)"
    assert asked.requests == []


async def test_it_stays_as_it_was_when_nothing_better_comes() -> None:
    asked = Asked(*[["* *"]] * ROUNDS)
    assert await mend("a = ‸\n", "[i * for i in c]", asked) == "[i * for i in c]"
    assert 1 <= len(asked.requests) <= ROUNDS
    silent = Asked([""])
    assert await mend("a = ‸\n", "[i * for i in c]", silent) == "[i * for i in c]"
    assert len(silent.requests) == 1


async def test_without_time_nothing_is_begun_and_with_little_only_that_is_used() -> None:
    late = Asked()
    now = time.perf_counter()
    assert await mend("a = ‸\n", "[i * for i in c]", late, until=now) == "[i * for i in c]"
    assert late.requests == []
    hurried = Asked(["* 2"])
    await mend("a = ‸\n", "[i * for i in c]", hurried, until=now + 30)
    deadline = hurried.requests[0].deadline
    assert deadline is not None
    assert 0 < deadline <= 30


@pytest.mark.parametrize(
    "changes", [{"sees_after": False}, {"in_comment": True}, {"in_string": True}]
)
async def test_nothing_is_asked_where_it_would_be_no_use(changes: dict[str, bool]) -> None:
    asked = Asked()
    assert await mend("a = ‸\n", "[i * for i in c]", asked, **changes) == "[i * for i in c]"
    assert asked.requests == []


@pytest.mark.parametrize(
    ("language", "text", "wrong"),
    [
        ("python", "x = ⟦foo(1, ,2)⟧\n", ","),
        ("python", "def f():\n    ⟦for in y:\n        g()⟧\n", "for in y:"),
        ("javascript", "let y = ⟦a + * 2⟧;\n", "+"),
        ("go", "package a\nfunc f() {\n\t⟦x := g(1 2)⟧\n}\n", "1"),
        ("rust", "fn f() {\n    ⟦let x = ;\n    g(x)⟧\n}\n", "="),
        ("python", "x = ⟦foo(1, 2)⟧\n", None),
        ("python", "def g(:\n    pass\n\nx = ⟦foo(1, ,2)⟧\n", None),  # broken elsewhere too
        ("", "x = ⟦foo(1, ,2)⟧\n", None),
    ],
)
def test_the_smallest_stretch_that_holds_what_is_wrong(
    language: str, text: str, wrong: str | None
) -> None:
    prefix, fill, suffix = text.replace("⟧", "⟦").split("⟦")
    span = error_span(language, prefix, fill, suffix)
    assert (None if span is None else fill[slice(*span)]) == wrong
