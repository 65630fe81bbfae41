"""Guesses at what comes next, from text at hand: an earlier answer, the prompt, or what follows.

A left-to-right model makes one token a forward. With a guess in the slots behind that token the same
forward says of each of them whether it is what the model would have written, so what was guessed rightly
costs nothing, and what was not is thrown away: the fill is the same either way. (Speculative decoding,
arXiv 2211.17192, with prompt lookup in the place of a second model.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from engine.models.base import ModelSpec
from engine.request import InfillRequest
from engine.tokenizer import Tokenizer

MOST = 6
"""Tokens guessed at once. On two cores of a CPU a forward of eight rows costs half as much again as one
of a single row."""
AFTER = 4000
"""Characters of the text after the gap that are looked through."""
LONGEST, SHORTEST = 4, 2
"""How many of the last tokens a place must have in common with the text so far. After one in common one
guess in four is right, after two nearly every other."""


def guesses(
    request: InfillRequest,
    before: Sequence[int],
    anchors: int,
    tokenizer: Tokenizer,
    spec: ModelSpec,
) -> Callable[[Sequence[int], int], list[int]]:
    """For `denoise`, over a canvas that goes on from the ids `before` and begins with the last `anchors`
    of them."""
    never = [*spec.forbidden_ids, *spec.eos_ids]
    never += [id_ for id_ in (spec.mask_id, spec.delete_id) if id_ is not None]
    if any(map(request.one_line, range(len(request.between) + 1))):
        never += tokenizer.newline_ids
    former = map(tokenizer.encode, request.former)
    after = tokenizer.encode(request.suffix[:AFTER])
    guesser = Guesser([*former, before, after], never)
    tail = before[: len(before) - anchors][-LONGEST:]
    return lambda ids, room: guesser.after([*tail, *ids], min(room, MOST))


class Guesser:
    """Looks for the latest place where the same tokens stood before."""

    def __init__(self, sources: Sequence[Sequence[int]], never: Sequence[int] = ()) -> None:
        """sources: ids of texts, the likeliest first. never: ids that no guess holds, or goes past."""
        self._sources = [np.asarray(source, dtype=np.int64) for source in sources]
        self._never = frozenset(never)

    def after(self, ids: Sequence[int], most: int = MOST) -> list[int]:
        """At most so many ids that may follow `ids`; none where nothing is like it."""
        for length in range(min(LONGEST, len(ids)), SHORTEST - 1, -1):
            for source in self._sources:
                found = _latest(source, ids[-length:])
                if found is not None:
                    return self._up_to_an_end(source[found : found + most].tolist())
        return []

    def _up_to_an_end(self, guess: list[int]) -> list[int]:
        ends = (at for at, id_ in enumerate(guess) if id_ in self._never)
        return guess[: next(ends, len(guess))]


def _latest(source: npt.NDArray[np.int64], wanted: Sequence[int]) -> int | None:
    """Where the latest `wanted` in `source` ends, if something stands behind it."""
    starts = len(source) - len(wanted)
    if starts < 1:
        return None
    same = np.ones(starts, dtype=np.bool_)
    for offset, id_ in enumerate(wanted):
        same &= source[offset : offset + starts] == id_
    places = same.nonzero()[0]
    return int(places[-1]) + len(wanted) if len(places) else None
