"""Steps 1 and 2 of a request: a prompt that can be encoded in time, and its keys and values.

A prompt that is too long for the deadline is cut, and the whole one grows while nobody waits; so does an exact
one where parts were moved. Knows how fast this device encodes; knows no canvas.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.config import CANVAS_LIMIT, EngineConfig
from engine.fim_prompt import FimPieces
from engine.models.base import KV, DenoisingModel
from engine.prompt import Prompt, PromptPieces
from engine.prompt_cache import PromptCache
from engine.request import Cancelled, InfillRequest
from engine.tokenizer import Tokenizer

SHORTEST_PROMPT = 128
"""Tokens encoded whatever the deadline: without context an answer in time is worth nothing."""
ENCODE_SHARE = 0.5
"""Of the time that is left, what may go into encoding; the rest is for denoising."""
ENCODE_STEP = 256
"""Tokens encoded between two looks at the cancel flag."""
MOST_ENCODED_IN_CANVAS = 4
"""Tokens that a prompt may lack and need no forward of their own. More are encoded, for good."""
GROWTH_STEP = 64
"""Tokens encoded at a time while the prompt grows: a new request waits for one of these."""


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt whose keys and values are there."""

    prompt: Prompt
    kv: KV
    reused: int
    """Of the prompt's tokens, those that were there before."""
    seconds: tuple[float, float]
    """For the prompt, and for encoding."""


class Prompting:
    """One model's prompts and their cache."""

    def __init__(
        self, model: DenoisingModel, tokenizer: Tokenizer, config: EngineConfig, budget: int
    ) -> None:
        """budget: tokens of prompt and canvas together."""
        self._spec = model.spec
        self._on_cpu = model.device.type == "cpu"
        self._tokenizer = tokenizer
        self._cache = PromptCache(model)
        self._budget = budget
        self._background = config.background_prompt
        self._growth: Prompt | None = None
        self.rate = math.inf
        """Tokens a second that are encoded on a CPU, as far as is known."""

    def prompted(
        self, request: InfillRequest, longest: int, until: float, interrupted: Callable[[], bool]
    ) -> Prompted:
        """The request's prompt, for a fill of at most `longest` tokens that has to be there at `until`."""
        began = time.perf_counter()
        room = self._budget - max(CANVAS_LIMIT, min(longest, self._budget // 2))
        kind = PromptPieces if self._spec.fim is None else FimPieces
        pieces = kind(request, self._tokenizer, self._spec, room)
        whole = pieces.cut(room)
        affordable = self._affordable(pieces, whole, room, until)
        prompt = self._end_in_canvas(affordable)
        cut = time.perf_counter()

        entry, reused = self._cache.extend(
            prompt.ids, prompt.settled, step=ENCODE_STEP, interrupted=interrupted
        )
        if interrupted():
            raise Cancelled("the request was cancelled")
        encoded = time.perf_counter()
        self.measure(len(prompt.ids) - reused, encoded - cut)
        grown = affordable is whole and entry.exact == len(entry.ids)
        self._growth = whole if self._background and not grown else None
        return Prompted(prompt, entry.kv, reused, (cut - began, encoded - cut))

    @property
    def wants_growth(self) -> bool:
        """Whether the last request's whole prompt is not encoded yet, or not exactly."""
        return self._growth is not None

    def grow(self, interrupted: Callable[[], bool]) -> None:
        """Encode more of the last request's whole prompt, until done or interrupted."""
        assert self._growth is not None  # the worker asks first
        ids, settled = self._growth.ids, self._growth.settled
        if self._cache.settle(ids, settled, step=GROWTH_STEP, interrupted=interrupted):
            self._growth = None

    def measure(self, tokens: int, seconds: float) -> None:
        """Learn from so many tokens that were encoded in so many seconds."""
        if self._on_cpu and tokens >= SHORTEST_PROMPT and seconds > 0:
            rate = tokens / seconds
            self.rate = (self.rate + rate) / 2 if math.isfinite(self.rate) else rate

    def forget(self) -> None:
        """Drop what is cached."""
        self._cache.clear()
        self._growth = None

    def _affordable(
        self, pieces: PromptPieces | FimPieces, whole: Prompt, room: int, until: float
    ) -> Prompt:
        """The largest prompt whose missing part can be encoded in time."""
        seconds = (until - time.perf_counter()) * ENCODE_SHARE
        tokens = max(SHORTEST_PROMPT, self.rate * max(0.0, seconds))
        prompt = whole
        while room > SHORTEST_PROMPT and self._cache.missing(prompt.ids, prompt.settled) > tokens:
            room = max(SHORTEST_PROMPT, room // 2)
            prompt = pieces.cut(room)
        return prompt

    def _end_in_canvas(self, prompt: Prompt) -> Prompt:
        """The same with the few tokens that would have to be encoded as anchors of the canvas, which costs
        no forward of its own. Only a model that reads its canvas as it reads its prompt gives the same."""
        missing = self._cache.missing(prompt.ids, prompt.settled)
        kept = len(prompt.ids) - missing
        if not (
            self._spec.reads_on and 0 < missing <= MOST_ENCODED_IN_CANVAS <= kept >= prompt.settled
        ):
            return prompt
        return replace(prompt, ids=prompt.ids[:kept], left=prompt.ids[kept:] + prompt.left)
