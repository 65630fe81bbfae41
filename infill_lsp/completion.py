"""START HERE: from a place in a document to suggestions, in six calls (see `fill`).

    snapshot → context → request → engine → postprocess → suggestions

`fill` is that path and nothing else; the command line uses it too. What an editor needs around it is
in `completer.py`. No type of the protocol comes in here, no token and no tensor.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import replace

from engine import Cancelled, Draft, EngineInfo, InfillEngine, InfillRequest, Job, Snippet
from infill_lsp.beginning import beginning, begun
from infill_lsp.context import Context, gather
from infill_lsp.documents import Snapshot
from infill_lsp.outcome import Filled, suggestions_from, why_nothing, worth_showing
from infill_lsp.postprocess import is_complete, postprocess
from infill_lsp.repair import mended, parses
from infill_lsp.settings import Settings
from infill_lsp.suggestions import Popup

Neighbours = Callable[[Snapshot, Context], tuple[Snippet, ...]]
"""What other files say about a gap. Called for every request, so it must answer at once."""

Watcher = Callable[[Snapshot, int], Callable[[Draft], None] | None]
"""Who wants to see the drafts of a fill at an offset; None: nobody."""

CANDIDATES = 8
"""Fills to choose from, where somebody asked and the model weighs them. Who types gets the first one,
for weighing four took a key's answer from 110 to 730 ms on two cores."""


def no_neighbours(snapshot: Snapshot, context: Context) -> tuple[Snippet, ...]:
    """For who knows no other files."""
    return ()


def unwatched(snapshot: Snapshot, offset: int) -> None:
    """For who shows no drafts."""


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
    context = replace(context, sees_after=sees_after(engine))
    silence = _unwanted(context, settings, automatic)
    pieces = (*snippets, *neighbours(snapshot, context)) if silence is None else ()
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
    if not automatic and (info := loaded(engine)) is not None and info.weighs:
        request = weighed(request, context)

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
    texts = worth_showing(draft, context)[:variants]  # 5
    if texts and automatic and texts[0][1] < settings.hide_below_percent / 100:
        texts, silence = (), "not sure enough (infill.hideBelowPercent)"
    suggestions = suggestions_from(texts, snapshot, offset, end, popup)  # 6
    ms["postprocess"] = _ms_since(began)
    if not suggestions and silence is None:
        silence = why_nothing(draft, deadline)
    return Filled(suggestions, draft, silence, ms)


def loaded(engine: InfillEngine) -> EngineInfo | None:
    """What is known of its model; None until it is loaded."""
    ready = engine.ready
    known = ready.done() and not ready.cancelled() and ready.exception() is None
    return ready.result() if known else None


def sees_after(engine: InfillEngine) -> bool:
    """Whether its model looks at what follows a gap. False until it is loaded."""
    info = loaded(engine)
    return info is not None and info.sees_after


def context_for(
    snapshot: Snapshot,
    offset: int,
    end: int | None,
    settings: Settings,
    popup: Popup | None,
    automatic: bool = False,
) -> Context:
    """The gap's context, as the settings and the popup change it. Who asks for a fill in the middle
    of a line may want several lines there; nobody else does."""
    if popup is None:
        context = gather(snapshot, offset, end=end)
    else:
        context = gather(snapshot, popup.start, end=popup.end)
        context = replace(
            context,
            prefix=context.prefix + popup.text,
            line_prefix=context.line_prefix + popup.text,
        )
    if settings.multiline == "never":
        return replace(context, single_line=True)
    asked_within = not automatic and popup is None and context.goes_on
    if asked_within or (settings.multiline == "always" and not context.line_suffix.strip()):
        return replace(context, single_line=False)
    return context


def request_for(
    context: Context,
    variants: int,
    seed: int,
    deadline: float | None,
    document: str,
    snippets: tuple[Snippet, ...] = (),
) -> InfillRequest:
    """What the engine is asked."""
    return InfillRequest(
        prefix=context.prefix,
        suffix=context.suffix,
        path=context.path,
        language=context.language,
        snippets=snippets,
        document=document,
        single_line=context.single_line,
        variants=variants,
        seed=seed,
        deadline=deadline,
        is_complete=is_complete(context),
    )


def weighed(request: InfillRequest, context: Context) -> InfillRequest:
    """The same for a model that weighs: more fills than are shown, of which those are that parse and go
    best with what follows."""
    if not context.suffix.strip():
        return request
    return replace(
        request,
        variants=max(request.variants, CANDIDATES),
        enough=request.variants,
        shown=lambda text: postprocess(text, context) if parses(text, context) else None,
    )


def _in_time(request: InfillRequest, until: float) -> InfillRequest:
    """The same with what is left of its time."""
    if request.deadline is None:
        return request
    return replace(request, deadline=max(until - time.perf_counter(), 0.0))


async def answer_of(job: Job) -> Draft:
    """Wait for a job; to cancel the waiting is to cancel the job."""
    try:
        return await asyncio.wrap_future(job.result)
    except asyncio.CancelledError:
        job.cancel()
        raise
    except Cancelled:
        raise asyncio.CancelledError from None


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
