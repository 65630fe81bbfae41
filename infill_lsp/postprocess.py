"""From what the model wrote to what is worth showing: ordered pure steps, `str -> str | None`.

Each step gets the text so far and the gap's `Context` and returns a text, or None to drop the
suggestion. Steps know nothing of models, editors or time.
"""

from __future__ import annotations

from collections.abc import Callable

from infill_lsp.context import Context

Step = Callable[[str, Context], str | None]

STEPS: tuple[Step, ...] = ()
"""In the order in which they run."""


def postprocess(text: str, context: Context) -> str | None:
    """Run all steps. The model's line breaks are `\\n`; the result's are the document's. None when
    nothing worth showing is left."""
    for step in STEPS:
        cut = step(text, context)
        if cut is None:
            return None
        text = cut
    return text


def is_complete(context: Context) -> Callable[[str], bool]:
    """A pure, quick question for the engine: true when the text settled so far already runs past
    what the steps keep, so that more of it would be cut away."""
    raise NotImplementedError
