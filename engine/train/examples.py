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
from engine.prompt import SUFFIX_SHARE, heal, right_anchor
from engine.tokenizer import Tokenizer
from engine.train.corpus import Document, Spans
from engine.train.gaps import Gap, choose, gap_before
from engine.train.recipe import Recipe

Numbers = npt.NDArray[np.int64]
PADDING, WINDOW = -2, -1
"""Values of `Row.canvas` that are no canvas."""
CHARS_PER_TOKEN = 6
"""More than code has, so that a window of this many characters holds enough tokens."""
MOST_ANCHORS = 16
MOST_BETWEEN = 24
"""Tokens between two gaps of one canvas."""
SHORTEST_TEXT = 16
"""Tokens of a window; less is left out."""
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


def build_row(
    document: Document, random: Random, tokenizer: Tokenizer, spec: ModelSpec, recipe: Recipe
) -> Row | None:
    """A window of the document and as many canvases as the row holds. None: too little text."""
    length = random.randint(recipe.shortest_window, recipe.longest_window)
    window = cut_window(document, length, random, tokenizer, spec)
    if len(window.ids) < SHORTEST_TEXT:
        return None

    def anywhere() -> Gap | None:
        return choose(window.text, window.spans, recipe.gap_shares, random)

    propose = anywhere
    if spec.suffix_in_prompt and random.random() < recipe.far_suffix:
        ends = [at for at in _line_ends(window.text) if 0.4 < at / len(window.text) < 0.95]
        if ends:
            end = random.choice(ends)
            window = suffix_first(window, end, tokenizer, spec)

            def before_suffix() -> Gap | None:
                return gap_before(window.text, end, random)

            propose = before_suffix
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
    return seen, Example(prefix[:seen], canvas, target)


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
) -> list[tuple[int, Example]]:  # fmt: skip
    """Canvases for the proposed gaps, until the row is full."""
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
        if made[1].canvas.size > room:
            break
        room -= made[1].canvas.size
        found.append(made)
    return found


def suffix_first(window: Window, end: int, tokenizer: Tokenizer, spec: ModelSpec) -> Window:
    """The same text, its ids in the order of a prompt that begins with what stands after `end`."""
    separator = [] if spec.separator_id is None else [spec.separator_id]
    suffix = tokenizer.encode(window.text[end:])[: int(len(window.ids) * SUFFIX_SHARE)]
    start = window.ids[: window.starts]
    head = [*separator, *suffix, *separator, *start]
    ids = [*head, *tokenizer.encode(window.text[:end])]
    return Window(window.text, window.spans, ids, len(head))


def _packed(prompt: list[int], examples: list[tuple[int, Example]], tokens: int) -> Row:
    ids, position = list(prompt), list(range(len(prompt)))
    canvas, seen, free = [WINDOW] * len(prompt), [0] * len(prompt), [False] * len(prompt)
    for number, (count, each) in enumerate(examples):
        clean = each.canvas.ids.clone()
        clean[each.canvas.slots] = clean.new_tensor(each.target)
        size = each.canvas.size
        ids += clean.tolist()
        position += range(count, count + size)
        canvas += [number] * size
        seen += [count] * size
        free += each.canvas.free.tolist()
    rest = tokens - len(ids)
    return Row(
        np.array(ids + [0] * rest, dtype=np.int64),
        np.array(canvas + [PADDING] * rest, dtype=np.int64),
        np.array(position + [0] * rest, dtype=np.int64),
        np.array(seen + [0] * rest, dtype=np.int64),
        np.array(free + [False] * rest, dtype=np.bool_),
    )


def _line_ends(text: str) -> list[int]:
    return [at for at, letter in enumerate(text) if letter == "\n"]


def _common_start(left: Sequence[int], right: Sequence[int]) -> int:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))
