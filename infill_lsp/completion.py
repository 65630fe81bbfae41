"""START HERE: from a place in a document to suggestions, in six calls (see `fill`).

    snapshot → context → request → engine → postprocess → suggestions

`fill` is that path and nothing else; the command line uses it too. What an editor needs around it is
in `completer.py`. No type of the protocol comes in here, no token and no tensor.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from engine import Draft, InfillEngine, InfillRequest, Snippet
from infill_lsp.asking import (
    answer_of,
    context_for,
    ends_itself,
    judging,
    loaded,
    request_for,
    sees_after,
    weighed,
)
from infill_lsp.beginning import beginning, begun
from infill_lsp.context import Context
from infill_lsp.documents import Snapshot
from infill_lsp.members import missing_member
from infill_lsp.notices import HEADER, notices
from infill_lsp.outcome import Filled, suggestions_from, why_nothing, worth_showing
from infill_lsp.repair import mended
from infill_lsp.settings import Settings
from infill_lsp.suggestions import Popup

Neighbours = Callable[[Snapshot, Context], tuple[Snippet, ...]]
"""What other files say about a gap. Called for every request, so it must answer at once."""


def no_neighbours(snapshot: Snapshot, context: Context) -> tuple[Snippet, ...]:
    """For who knows no other files."""
    return ()


async def fill(
    engine: InfillEngine,
    snapshot: Snapshot,
    offset: int,
    end: int | None = None,
    *,
    settings: Settings,
    automatic: bool = False,
    variants: int = 1,
    seed: int = 0,
    deadline: float | None = None,
    popup: Popup | None = None,
    document: str = "",
    neighbours: Neighbours = no_neighbours,
    on_draft: Callable[[Draft], None] | None = None,
    max_tokens: int | None = None,
    snippets: tuple[Snippet, ...] = (),
    former: tuple[str, ...] = (),
    gives_way: bool = False,
) -> Filled:
    """Fill the gap [offset, end) of a snapshot (1).

    automatic: nobody asked, so places where a suggestion would be in the way stay empty.
    deadline: seconds; the best draft so far is then used. None: no limit.
    popup: makes the suggestions replace its range and begin with its text; replaces the gap.
    document: key under which a newer request displaces this one.
    neighbours: asked for pieces of other files.
    on_draft: called on the engine's thread after each step.
    max_tokens: most tokens of a fill; None: as many as it takes.
    snippets: text from elsewhere that the asker has gathered itself.
    former: earlier suggestions near the gap, the newest first.
    gives_way: nobody waits for it, and it is displaced by any request that somebody waits for.

    Raises EngineError when the engine cannot do it, asyncio.CancelledError when it was displaced,
    ValueError for a gap outside the text.
    """
    began = time.perf_counter()
    context = context_for(snapshot, offset, end, settings, popup, automatic)  # 2
    context = replace(context, sees_after=sees_after(engine), ends_itself=ends_itself(engine))
    silence = _unwanted(context, settings, automatic)
    pieces = (*snippets, *neighbours(snapshot, context)) if silence is None else ()
    context = replace(context, notices=_notices(context, pieces))
    alone = silence is None and variants == 1 and popup is None
    start = beginning(context) if alone else None
    ms = {"context": _ms_since(began)}
    if silence is not None:
        return Filled((), None, silence, ms)
    request = request_for(context, variants, seed, deadline, document, pieces)  # 3
    cut_below = settings.cut_below_percent / 100
    request = replace(
        request,
        max_tokens=max_tokens,
        least_confidence=cut_below,
        former=former,
        gives_way=gives_way,
    )
    if (info := loaded(engine)) is not None and info.weighs:
        request = judging(request, context) if automatic else weighed(request, context)

    async def ask(request: InfillRequest) -> Draft:
        return await answer_of(engine.submit(request, on_draft))

    until = math.inf if deadline is None else time.perf_counter() + deadline
    draft = None
    if start is not None:
        draft = await begun(start, request, context, ask)  # 4, if it can begin so
        request = _in_time(request, until)
    if draft is None:
        draft = await ask(request)  # 4
    draft = await _mended(draft, request, context, engine, until)  # 4 again, for what is wrong
    began = time.perf_counter()
    texts = worth_showing(draft, context, limited=max_tokens is not None)[:variants]  # 5
    if texts and automatic and texts[0][1] < settings.hide_below_percent / 100:
        texts, silence = (), "not sure enough (infill.hideBelowPercent)"
    if texts and automatic and (name := _contradicted(context, texts[0][0])) is not None:
        texts, silence = (), f"the class has no {name}"
    suggestions = suggestions_from(texts, snapshot, offset, end, popup)  # 6
    ms["postprocess"] = _ms_since(began)
    if not suggestions and silence is None:
        silence = why_nothing(draft, deadline)
    return Filled(suggestions, draft, silence, ms)


def _contradicted(context: Context, text: str) -> str | None:
    """A member that a fill uses and that its class does not have."""
    if context.in_string or context.in_comment:
        return None
    return missing_member(context.language, context.prefix, text, context.suffix)


def _notices(context: Context, pieces: tuple[Snippet, ...]) -> frozenset[str]:
    """Notices that the document and the pieces of other files hold."""
    texts = context.prefix[-HEADER:], context.suffix, *(piece.text for piece in pieces)
    return frozenset(line for text in texts for line in notices(text))


def _in_time(request: InfillRequest, until: float) -> InfillRequest:
    """The same with what is left of its time."""
    if request.deadline is None:
        return request
    return replace(request, deadline=max(until - time.perf_counter(), 0.0))


async def _mended(
    draft: Draft, request: InfillRequest, context: Context, engine: InfillEngine, until: float
) -> Draft:
    """The draft with its best fill mended where that does not parse, while there is time."""
    best, *others = draft.fills
    forwards = draft.stats.forwards

    async def ask(again: InfillRequest) -> Draft:
        nonlocal forwards
        answer = await answer_of(engine.submit(again))
        forwards += answer.stats.forwards
        return answer

    text = await mended(best.text, request, context, ask, until)
    stats = replace(draft.stats, forwards=forwards)
    return replace(draft, fills=(replace(best, texts=(text,)), *others), stats=stats)


def _unwanted(context: Context, settings: Settings, automatic: bool) -> str | None:
    if context.in_comment and not settings.complete_in_comments:
        return "not in comments (infill.completeInComments)"
    if context.in_string and not settings.complete_in_strings:
        return "not in strings (infill.completeInStrings)"
    return context.quiet if automatic else None


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
