"""A fill that does not parse: what is wrong with it is masked again, and only that.

The rest of the fill becomes text around a smaller gap, which the model sees from both sides. Knows
trees and requests; who answers them is given.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from engine import Draft, InfillRequest
from infill_lsp.context import Context
from infill_lsp.faults import error_span, faulty
from infill_lsp.postprocess import shaped

ROUNDS = 2
"""How often one fill is mended, while there is time."""
VARIANTS = 4
"""Of what is made anew: the surest may be what stood there."""
LEAST_SECONDS = 0.05
"""With less time left than that nothing is begun."""

Ask = Callable[[InfillRequest], Awaitable[Draft]]


def parses(text: str, context: Context) -> bool:
    """Whether the model's fill for a gap leaves nothing wrong. True where trees say little."""
    if context.in_comment or context.in_string:
        return True
    shown = shaped(text, context) or ""
    return not faulty(context.language, context.prefix, shown, context.suffix)


async def mended(
    text: str, request: InfillRequest, context: Context, ask: Ask, until: float
) -> str:
    """`text`, the model's fill for a gap, with as little of it made anew as lets it parse.

    request: what was asked for this gap, which must be its only one.
    until: the `time.perf_counter()` at which the fill must be there.
    The fill as it was, where no answer is better, or where the model does not see what follows: it
    would only say the same again.
    """
    if not context.sees_after or context.in_comment or context.in_string:
        return text
    candidate = text
    for rounds_left in range(ROUNDS, -1, -1):
        shown = shaped(candidate, context)
        span = shown and error_span(context.language, context.prefix, shown, context.suffix)
        if shown and not span:
            return candidate
        left = until - time.perf_counter()
        if not shown or not span or not rounds_left or left < LEAST_SECONDS:
            break
        head, wrong, tail = shown[: span[0]], shown[slice(*span)], shown[span[1] :]
        again = replace(
            request,
            prefix=request.prefix + head,
            begins="",
            suffix=tail + request.suffix,
            single_line="\n" not in wrong,
            deadline=None if math.isinf(left) else left,
            is_complete=None,
            shown=_parsing(head, tail, context),
            enough=1,
            variants=VARIANTS,
            seed=request.seed + 1,
        )
        draft = await ask(again)
        other = next((fill.text for fill in draft.fills if fill.text not in (wrong, "")), None)
        if other is None:
            break
        candidate = head + other + tail
    return text


def _parsing(head: str, tail: str, context: Context) -> Callable[[str], str | None]:
    """Of texts between two parts of a fill, those with which it parses (`InfillRequest.shown`)."""
    return lambda text: text if parses(head + text + tail, context) else None
