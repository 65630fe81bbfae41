"""How the engine is asked for a gap: what of the text it gets, and how its answer is waited for.

One gap (`completion`) and several (`filling`) are asked for alike. Knows no token and no tensor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from engine import Cancelled, Draft, EngineInfo, InfillEngine, InfillRequest, Job, Snippet
from infill_lsp.context import Context, gather
from infill_lsp.documents import Snapshot
from infill_lsp.postprocess import is_complete, postprocess
from infill_lsp.repair import parses
from infill_lsp.settings import Settings
from infill_lsp.suggestions import Popup

Watcher = Callable[[Snapshot, int], Callable[[Draft], None] | None]
"""Who wants to see the drafts of a fill at an offset; None: nobody."""

CANDIDATES = 8
"""Fills to choose from, where somebody asked and the model weighs them. Who types gets the first one,
for weighing four took a key's answer from 110 to 730 ms on two cores."""


def unwatched(snapshot: Snapshot, offset: int) -> None:
    """For who shows no drafts."""


def loaded(engine: InfillEngine) -> EngineInfo | None:
    """What is known of its model; None until it is loaded."""
    ready = engine.ready
    known = ready.done() and not ready.cancelled() and ready.exception() is None
    return ready.result() if known else None


def sees_after(engine: InfillEngine) -> bool:
    """Whether its model looks at what follows a gap. False until it is loaded."""
    info = loaded(engine)
    return info is not None and info.sees_after


def ends_itself(engine: InfillEngine) -> bool:
    """Whether its model says where a gap ends. False until it is loaded."""
    info = loaded(engine)
    return info is not None and info.ends_itself


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
    asked_within = not (automatic or popup or context.interpolated) and context.goes_on
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
        prefix=context.beside[0] + context.prefix,
        suffix=context.suffix + context.beside[1],
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
    judged = judging(request, context, strict=True)
    return replace(judged, variants=max(request.variants, CANDIDATES), enough=request.variants)


def judging(request: InfillRequest, context: Context, strict: bool = False) -> InfillRequest:
    """The same, with what would be shown of a fill. strict: nothing of one that does not parse."""

    def shown(text: str) -> str | None:
        return None if strict and not parses(text, context) else postprocess(text, context)

    return replace(request, shown=shown)


async def answer_of(job: Job) -> Draft:
    """Wait for a job; to cancel the waiting is to cancel the job."""
    try:
        return await asyncio.wrap_future(job.result)
    except asyncio.CancelledError:
        job.cancel()
        raise
    except Cancelled:
        raise asyncio.CancelledError from None
