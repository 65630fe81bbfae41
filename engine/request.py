"""The door between the text side and the token side.

Everything the two halves say to each other is in this file: what to fill, how it stands, how it
ended. It knows text and seconds; it knows no editor, no token and no tensor, and imports only the
standard library, so that the language server starts without waiting for torch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class EngineError(Exception):
    """Something the user can mend. The message says what is wrong and what to do about it."""


class CanvasFullError(EngineError):
    """The gaps of a request and the texts between them do not fit one canvas. Ask for fewer."""


class Cancelled(Exception):  # noqa: N818 - it is an outcome, not a fault
    """The request was cancelled, or a newer one for the same document took its place."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Text from elsewhere that may help, e.g. a definition from another file."""

    text: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class InfillRequest:
    """Fill the gaps of one text: `prefix ‸ between[0] ‸ between[1] … ‸ suffix`.

    There are `len(between) + 1` gaps. Texts are whole; the engine alone decides how many tokens of
    them fit (nothing outside the engine counts tokens).
    """

    prefix: str
    suffix: str = ""
    between: tuple[str, ...] = ()
    path: str = ""
    """Shown to the model, e.g. `src/app.py`. Never used to find out anything else."""
    language: str = ""
    snippets: tuple[Snippet, ...] = ()
    """Most stable first: what changes with every keystroke must come last, or the cache dies."""
    document: str = ""
    """Key for newest-wins: a request displaces older ones with the same key. Empty: none."""
    single_line: bool = False
    """The fill holds no line break; the gap closes where the line ends."""
    single_lines: tuple[bool, ...] = ()
    """The same for each of several gaps. Empty: what `single_line` says holds for all."""
    begins: str = ""
    """What every fill of the first gap begins with, and is asked to go on from: part of its text, and
    none of the model's doing, so it counts in no confidence."""
    former: tuple[str, ...] = ()
    """Earlier answers near this gap, the newest first: guesses, which save forwards where they are
    right. A fill stays what it is, but may end a few tokens behind where it is complete."""
    max_tokens: int | None = None
    """Most tokens in one gap. None: the length strategy of the model decides."""
    least_confidence: float = 0.0
    """A gap's text ends before the first token that was accepted with less probability."""
    variants: int = 1
    """How many different fills to make over one prompt. The first is greedy, the others sampled."""
    seed: int = 0
    """The same seed, request and device give the same fills."""
    deadline: float | None = None
    """Seconds from `submit`. When they are over, the best draft so far is the answer."""
    gives_way: bool = False
    """Made while nothing else is asked: ended by any other request, and not begun beside one."""
    is_complete: Callable[[str], bool] | None = None
    """Asked after each step with the text settled so far from the gap's start (first gap): true
    when more of it would be cut away anyway. Called on the engine's thread; must be pure."""
    shown: Callable[[str], str | None] | None = None
    """What would be shown of a fill, None: nothing. Where it is given, and the model weighs, several
    fills of one gap are ordered by how well that goes with the text after the gap. Called like
    `is_complete`."""
    enough: int | None = None
    """Of the variants, how many will be shown: where they are weighed, one that falls far behind so many
    finished ones is given up, and not answered. None: all are made to their end."""

    def __post_init__(self) -> None:
        if self.variants < 1:
            raise ValueError(f"variants must be at least 1, not {self.variants}")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if self.single_lines and len(self.single_lines) != len(self.between) + 1:
            raise ValueError(
                f"{len(self.between) + 1} gaps, but {len(self.single_lines)} single_lines"
            )

    def one_line(self, gap: int) -> bool:
        """Whether this gap's fill holds no line break."""
        return self.single_lines[gap] if self.single_lines else self.single_line


class Stop(Enum):
    """Why a fill ended."""

    RUNNING = "running"
    STABLE = "stable"  # every row is settled: the model has nothing to change
    COMPLETE = "complete"  # `is_complete` said so, or the model closed the gap itself
    LENGTH = "length"  # max_tokens or the step limit is reached
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Token:
    """One canvas position as a person may look at it."""

    text: str
    confidence: float
    """Probability the model gives this token; 1.0 for an anchor, 0.0 while nothing stands here."""
    free: bool
    """False for an anchor."""
    settled: bool
    """False while the position is still noise."""


@dataclass(frozen=True, slots=True)
class Fill:
    """One variant: the text for each gap."""

    texts: tuple[str, ...]
    confidence: float
    """Geometric mean probability of its tokens, 0 to 1."""
    tokens: tuple[Token, ...] = ()
    """The canvas, anchors included, for drawing; only the current block of a long fill."""
    ended: bool = True
    """The model ended it, or more of it would be cut away anyway. False: time or length ran out."""

    @property
    def text(self) -> str:
        """The first gap's text: all there is, for a request with one gap."""
        return self.texts[0]


@dataclass(frozen=True, slots=True)
class Stats:
    """What a fill cost. Times are milliseconds by stage."""

    prompt_tokens: int = 0
    reused_tokens: int = 0
    """Of `prompt_tokens`, those whose keys and values were already there."""
    dropped_chars: int = 0
    """Of the text offered, what did not fit the budget, or not yet the deadline."""
    canvas_tokens: int = 0
    steps: int = 0
    forwards: int = 0
    ms: dict[str, float] = field(default_factory=dict)
    """Keys: queue, prompt, encode, denoise, weigh, total; and forward, the model's part of denoise."""


@dataclass(frozen=True, slots=True)
class Draft:
    """All variants after one step, best first once `stop` is not RUNNING."""

    step: int
    fills: tuple[Fill, ...]
    stop: Stop
    stats: Stats

    @property
    def final(self) -> bool:
        return self.stop is not Stop.RUNNING


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What was loaded, for `doctor`, `--json` and the status line."""

    model: str
    device: str
    dtype: str
    order: str
    """`any`: refines all positions at once. `left_to_right`: one position a step."""
    sees_after: bool
    """Fills agree with the text after the gap. False: it only continues the text before it."""
    ends_itself: bool
    """Was trained to say where a gap ends. False: it goes on, and is cut where what follows would."""
    weighs: bool
    """Orders several fills by how well they go with the text after the gap (`InfillRequest.shown`)."""
    licence: str
    parameters: int
    weights_bytes: int
    context_tokens: int
    canvas_tokens: int
    load_seconds: float
    instead: str = ""
    """Why this is not the model that was asked for, and how to mend it. Empty: it is."""
    chosen: str = ""
    """Why it is this model, where the engine was to choose. Empty: it was not, or `instead` says it."""
    offer: str = ""
    """The name of a model that would have been chosen, if it were on this machine."""


@dataclass(frozen=True, slots=True)
class Job:
    """A submitted request. `result` ends with the final Draft, `Cancelled` or `EngineError`."""

    result: Future[Draft]
    cancelled: threading.Event

    def cancel(self, why: str = "the request was cancelled") -> None:
        """Whoever waits for `result` gets Cancelled at once; at most one forward more is run."""
        self.cancelled.set()
        with suppress(InvalidStateError):
            self.result.set_exception(Cancelled(why))


class InfillEngine(Protocol):
    """What the text side may ask of an engine. `engine.load` makes one; tests have a fake."""

    @property
    def ready(self) -> Future[EngineInfo]:
        """Ends when the model is loaded, or with EngineError when it cannot be."""

    def submit(
        self, request: InfillRequest, on_draft: Callable[[Draft], None] | None = None
    ) -> Job:
        """Queue a request. Returns at once. `on_draft` is called on the engine's thread."""

    def close(self) -> None:
        """Cancel everything and end the thread. Safe to call twice."""
