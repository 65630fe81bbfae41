"""From a document to rows of token ids: a window of it, and canvases whose gaps lie in it.

A row is what one forward sees: first the window, read causally, then canvases that each see the
window up to their own gap. Laid out by the functions that lay out a request (`engine.prompt`,
`engine.canvas`), so the model meets in use what it met in training. Shapes: T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from engine import canvas as canvases
from engine.config import CANVAS_SIZES
from engine.length import slots
from engine.models.base import ModelSpec
from engine.prompt import (
    SNIPPET_SHARE,
    SUFFIX_SHARE,
    before_prefix,
    heal,
    path_ids,
    right_anchor,
)
from engine.tokenizer import Tokenizer
from engine.train.corpus import Document, Spans
from engine.train.gaps import Gap, choose, gap_before
from engine.train.recipe import Recipe

Numbers = npt.NDArray[np.int64]
PADDING, WINDOW = -2, -1
"""Values of `Row.canvas` that are no canvas."""
UNDECIDED = -1
"""Of `Row.turn`."""
CHARS_PER_TOKEN = 6
"""More than code has, so that a window of this many characters holds enough tokens."""
MOST_ANCHORS = 16
MOST_BETWEEN = 24
"""Tokens between two gaps of one canvas."""
SHORTEST_TEXT = 16
"""Tokens of a window; less is left out."""
NAMED = 0.8
"""Of prompts that name the file; the others name its language, as for a file without a name."""
TRIES = 40
"""Gaps tried for one row; most documents need ten."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a batch. Each [T]."""

    ids: Numbers
    """The right tokens: text, and the delete token in slots that are not needed."""
    canvas: Numbers
    """The canvas a token belongs to, from 0; WINDOW or PADDING."""
    position: Numbers
    """For rotary positions: a canvas goes on where the prompt it sees ends."""
    seen: Numbers
    """Of a canvas's token: how many of the window's tokens it sees."""
    turn: Numbers
    """Of a canvas's token: `canvas.turns`; UNDECIDED where it is the noise's to say."""
    free: npt.NDArray[np.bool_]
    """Slots. All else is given."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a document as token ids."""

    text: str
    spans: Spans
    ids: list[int]
    """`start` and then the text's ids."""
    starts: int
    """Ids before the text's first one."""


@dataclass(frozen=True, slots=True)
class Example:
    """One canvas over a prompt."""

    prompt: list[int]
    canvas: canvases.Canvas
    """With noise in its slots."""
    target: list[int]
    """What belongs into the slots, in order."""
    delete_id: int | None


def build_row(
    document: Document, random: Random, tokenizer: Tokenizer, spec: ModelSpec, recipe: Recipe,
    neighbours: Sequence[Document] = (),
) -> Row | None:  # fmt: skip
    """A window of the document and as many canvases as the row holds. None: too little text.

    neighbours: other documents of its folder, for snippets.
    """
    length = random.randint(recipe.shortest_window, recipe.longest_window)
    window = cut_window(document, length, random, tokenizer, spec)
    if len(window.ids) < SHORTEST_TEXT:
        return None

    def anywhere() -> Gap | None:
        return choose(window.text, window.spans, recipe.gap_shares, random)

    propose, end = anywhere, None
    if spec.suffix_in_prompt and random.random() < recipe.far_suffix:
        ends = [at for at in _line_ends(window.text) if 0.4 < at / len(window.text) < 0.95]
        end = random.choice(ends) if ends else None
    if end is not None:
        at = end  # of the gap, for all of the row's gaps see the same far suffix

        def before_suffix() -> Gap | None:
            return gap_before(window.text, at, random)

        propose = before_suffix
    path: list[int] = []
    if recipe.paths and random.random() < recipe.paths:
        named = random.random() < NAMED
        path = path_ids(document.path if named else "", document.language, tokenizer, spec)
    snippets = []
    if neighbours and random.random() < recipe.snippets:
        snippets = [_snippet(random.choice(neighbours), len(window.ids), random, tokenizer)]
    window = under(window, path, snippets, end, tokenizer, spec)
    examples = _examples(window, propose, random, tokenizer, spec, recipe)
    return _packed(window.ids, examples, recipe.row_tokens) if examples else None


def cut_window(
    document: Document, length: int, random: Random, tokenizer: Tokenizer, spec: ModelSpec
) -> Window:
    """About `length` tokens of whole lines; one in four windows is the document's beginning."""
    text, reach = document.text, length * CHARS_PER_TOKEN
    start = 0
    if len(text) > reach // 2 and random.random() < 0.75:
        start = text.find("\n", random.randrange(len(text) - reach // 3)) + 1
    ids: list[int] = [] if start else [beginning(spec)]
    starts, end = len(ids), start
    for chunk in tokenizer.chunks(text[start : start + reach]):
        piece = tokenizer.encode_chunk(chunk)
        if len(ids) + len(piece) > length:
            break
        ids += piece
        end += len(chunk)
    spans = {
        kind: [(a - start, b - start) for a, b in found if start < a and b <= end]
        for kind, found in document.spans.items()
    }
    return Window(text[start:end], spans, ids, starts)


def beginning(spec: ModelSpec) -> int:
    """The id before a document's first."""
    return spec.bos_id if spec.bos_id is not None else spec.eos_ids[0]


def example(
    window: Window, gaps: Sequence[Gap], random: Random, tokenizer: Tokenizer, spec: ModelSpec,
    recipe: Recipe,
) -> tuple[int, Example] | None:  # fmt: skip
    """A canvas for one or several gaps, and how many of the window's ids it sees.

    None where the tokens before the gap are not the window's own (a gap that cuts a token in two
    far back), or the gaps do not fit one canvas.
    """
    kept, healed = heal(window.text[: gaps[0].start], tokenizer)
    prefix = [*window.ids[: window.starts], *tokenizer.encode(kept)]
    shared = _common_start(prefix, window.ids)
    left = max(1, len(prefix) - shared)
    if random.random() < recipe.other_anchors:
        left = max(left, random.randint(1, MOST_ANCHORS))
    seen = len(prefix) - left
    if left > MOST_ANCHORS or seen < 0 or not prefix:
        return None

    ends = [gap.end for gap in gaps]
    texts = [window.text[gap.start : gap.end] for gap in gaps]
    targets = [tokenizer.encode(text) for text in texts]
    targets[0] = tokenizer.encode(healed.decode() + texts[0])
    between = [
        tokenizer.encode(window.text[end : after.start])
        for end, after in zip(ends, gaps[1:], strict=False)
    ]
    right = right_anchor(window.text[ends[-1] :], tokenizer)
    if random.random() < recipe.other_anchors:
        right = right[: random.randint(0, MOST_ANCHORS)]
    sizes = _sizes(targets, between, left + len(right), "\n" not in texts[0], random, spec, recipe)
    if sizes is None:
        return None
    canvas = canvases.build(prefix[seen:], sizes, between, right, spec)
    target = []
    for size, ids in zip(sizes, targets, strict=True):
        assert spec.delete_id is not None
        target += [*ids[:size], *[spec.delete_id] * (size - len(ids))]
    return seen, Example(prefix[:seen], canvas, target, spec.delete_id)


def _sizes(
    targets: list[list[int]], between: list[list[int]], anchors: int, single_line: bool,
    random: Random, spec: ModelSpec, recipe: Recipe,
) -> list[int] | None:  # fmt: skip
    """Slots of each gap: mostly as a request gets them. A single gap may be longer than its canvas,
    which then is full, as the first block of a long fill is; several gaps have to fit."""
    inner = sum(map(len, between))
    if inner > MOST_BETWEEN:
        return None
    if len(targets) == 1 and random.random() < recipe.other_canvas:
        room = random.choice(CANVAS_SIZES) - anchors
        return [room] if room > 0 else None  # longer or shorter than needed
    try:
        sizes = slots(spec, gaps=len(targets), anchors=anchors + inner, single_line=single_line)
    except ValueError:
        return None
    if len(targets) > 1 and any(map(_longer, targets, sizes)):
        return None
    return sizes


def _longer(target: list[int], size: int) -> bool:
    return len(target) > size


def _examples(
    window: Window, propose: Callable[[], Gap | None], random: Random, tokenizer: Tokenizer,
    spec: ModelSpec, recipe: Recipe,
) -> list[tuple[int, Numbers]]:  # fmt: skip
    """Canvases for the proposed gaps, until the row is full: what each sees of the window, and as
    `laid_out` lays them out."""
    room = recipe.row_tokens - len(window.ids)
    found = []
    for _ in range(TRIES):
        gap = propose()
        if gap is None:
            continue
        gaps = [gap]
        if random.random() < recipe.several_gaps:
            other = propose()
            if other is not None and other.start > gap.end:
                gaps.append(other)
        made = example(window, gaps, random, tokenizer, spec, recipe)
        if made is None:
            continue
        laid = laid_out(made[1], random.random() < recipe.from_left, random)
        if laid.shape[1] > room:
            break
        room -= laid.shape[1]
        found.append((made[0], laid))
    return found


def under(
    window: Window, path: list[int], snippets: list[list[int]], end: int | None,
    tokenizer: Tokenizer, spec: ModelSpec,
) -> Window:  # fmt: skip
    """The same text under a prompt's other pieces. With `end`, the text after it is one of them, and
    only the text before it keeps its place."""
    suffix: list[int] = []
    ids = window.ids
    if end is not None:
        suffix = tokenizer.encode(window.text[end:])[: int(len(ids) * SUFFIX_SHARE)]
        ids = [*ids[: window.starts], *tokenizer.encode(window.text[:end])]
    head = before_prefix(spec, tokenizer.encode("\n\n"), path, snippets, suffix)
    return Window(window.text, window.spans, [*head, *ids], len(head) + window.starts)


def _snippet(
    document: Document, tokens: int, random: Random, tokenizer: Tokenizer
) -> list[int]:  # fmt: skip
    """Whole lines from anywhere in a document, as many as a window of so many tokens allows."""
    limit = int(tokens * SNIPPET_SHARE)
    start = document.text.rfind("\n", 0, random.randrange(len(document.text) + 1)) + 1
    ids: list[int] = []
    for line in document.text[start : start + limit * CHARS_PER_TOKEN].splitlines(keepends=True):
        piece = tokenizer.encode(line)
        if len(ids) + len(piece) > limit:
            break
        ids += piece
    return ids


def laid_out(example: Example, from_left: bool, random: Random) -> Numbers:
    """[4, tokens]: of each canvas token its id, position from the canvas's start, turn, and whether it
    is a slot, in that order.

    from_left: the turns of a canvas that is filled from left to right. Then every slot is a lesson at
    once, for none sees those after it. Of several gaps one is to be filled; those before it are, those
    after it are left out, as are all slots after the one that says that the text ends.
    """
    canvas = example.canvas
    ids, free, gap = canvas.ids.numpy().copy(), canvas.free.numpy(), canvas.gap.numpy()
    ids[free] = example.target
    place = np.arange(canvas.size)
    if not from_left:
        return np.stack([ids, place, np.where(free, UNDECIDED, 0), free])
    chosen = random.randrange(canvas.gaps)
    deleted = free & (ids == example.delete_id)
    again = deleted & np.roll(deleted, 1) & (gap == np.roll(gap, 1))  # not its gap's first
    kept = (gap <= chosen) & ~again & ~(deleted & (gap < chosen))
    slots = gap == chosen
    return np.stack([ids, place, np.where(slots, place + 1, 0), slots])[:, kept]


def _packed(prompt: list[int], examples: list[tuple[int, Numbers]], tokens: int) -> Row:
    count = len(prompt)
    row = np.zeros((6, tokens), dtype=np.int64)
    ids, position, turn, free, canvas, sees = row
    canvas[:] = PADDING
    ids[:count], position[:count], canvas[:count] = prompt, range(count), WINDOW
    end = count
    for number, (before, each) in enumerate(examples):
        here = slice(end, end + each.shape[1])
        row[:4, here] = each
        position[here] += before
        canvas[here], sees[here] = number, before
        end = here.stop
    return Row(ids, canvas, position, sees, turn, free.astype(np.bool_))


def _line_ends(text: str) -> list[int]:
    return [at for at, letter in enumerate(text) if letter == "\n"]


def _common_start(left: Sequence[int], right: Sequence[int]) -> int:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))
