"""The words of an evaluation: a case is asked, an answer comes, an outcome says how good it was.

Knows no suite, no model and no file format.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class EvaluationError(Exception):
    """Data or a model cannot be used. The message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Case:
    """A gap whose text is known: `prefix ‸ middle ‸ suffix`."""

    id: str
    prefix: str
    suffix: str
    middle: str
    """What stood in the gap. Whoever fills it must not see it, nor its length."""
    language: str
    """Our grammar's name."""
    kind: str
    """What the gap is, e.g. `block`, or the suite's split."""
    path: str
    """The file's name as the model is shown it."""
    group: str
    """Cases of one group (a problem, a document) are not independent: see `scores.interval`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a case."""

    text: str
    """What the user would be shown; empty when nothing is."""
    shown: bool
    silence: str | None = None
    """Why nothing is shown."""
    forwards: int = 0
    tokens: int = 0
    """Tokens of the model that stand in `text`."""
    ms: float = 0.0
    """From the question to the answer."""
    confidence: float = 0.0
    """The engine's own, from 0 to 1; 0 where nothing is shown."""


Filler = Callable[[Case], Answer]
"""Answers cases. May look at anything of a case but its `middle` (the baselines do)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer and how good it is. One line of an answers file."""

    id: str
    language: str
    kind: str
    group: str
    text: str
    shown: bool
    silence: str | None
    forwards: int
    tokens: int
    ms: float
    exact: bool
    edit_similarity: float
    parses: bool
    first_run: bool
    verdict: str | None = None
    """What running the program came to, or whether the text is among those that fit; None where
    there is nothing to run and no such list."""
    confidence: float = 0.0
    detail: str = ""
    """More of the verdict, e.g. the exception's name."""

    @property
    def passed(self) -> bool:
        return self.verdict == "passed"


def sampled(items: Sequence[T], limit: int | None, seed: int) -> list[T]:
    """`limit` of the items drawn at random, in their old order; all of them for None."""
    if limit is None or limit >= len(items):
        return list(items)
    chosen = random.Random(seed).sample(range(len(items)), limit)
    return [items[index] for index in sorted(chosen)]
