"""From a canvas back to text: what each variant says after a step, and how sure the model was.

Knows token ids and text; knows no model, no device's clock and no queue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from engine.canvas import Canvas, closed, kept, read, settled_head
from engine.denoise import Step
from engine.models.base import ModelSpec
from engine.request import Fill, InfillRequest, Stop, Token
from engine.tokenizer import Tokenizer

LEAST_CONFIDENCE = 1e-6


@dataclass(slots=True)
class Variant:
    """One variant of a fill, block after block."""

    committed: list[int] = field(default_factory=list)
    """Ids of the finished blocks (only a fill with one gap has more than one block)."""
    gaps: list[list[int]] = field(default_factory=list)
    """Ids that the current canvas says, for each gap."""
    head: list[int] = field(default_factory=list)
    """Ids of the first gap up to its first slot that is still noise."""
    tokens: tuple[Token, ...] = ()
    stop: Stop = Stop.RUNNING
    committed_surprises: list[float] = field(default_factory=list)
    current_surprises: list[float] = field(default_factory=list)
    """-log(confidence) of each token of finished blocks, and of the current canvas."""
    end: int | None = None
    """Of the first gap's ids, how many are the fill (`ending`). None: all."""
    weight: float = 0.0
    """How well it goes with what follows, in nats, if that was asked (`weighing`)."""
    given_up: bool = False
    """Others are so much likelier that it was not made to its end (`weighing`)."""

    @property
    def confidence(self) -> float:
        """Geometric mean probability of the tokens settled so far; 0 before there are any."""
        count = len(self.surprises)
        return math.exp(-self.total_surprise / count) if count else 0.0

    @property
    def total_surprise(self) -> float:
        """Nats: minus the log-probability of all tokens settled so far."""
        return sum(self.surprises)

    @property
    def surprises(self) -> list[float]:
        """Nats of each token settled so far, up to the fill's end."""
        return [*self.committed_surprises, *self.current_surprises][: self.end]

    @property
    def ids(self) -> list[int]:
        """The first gap's ids, up to the fill's end."""
        return [*self.committed, *(self.gaps[0] if self.gaps else [])][: self.end]

    def commit(self) -> None:
        """Make the current canvas a finished block."""
        self.committed += self.head
        self.committed_surprises += self.current_surprises
        self.gaps, self.head, self.current_surprises = [[]], [], []


class Readout:
    """Reads steps for one request."""

    def __init__(
        self, request: InfillRequest, tokenizer: Tokenizer, spec: ModelSpec, healed: bytes
    ) -> None:
        """`healed`: what the first gap's tokens repeat of the prefix; taken off its text again."""
        self._request = request
        self._tokenizer = tokenizer
        self._spec = spec
        self._healed = healed

    def update(self, variants: Sequence[Variant], step: Step, canvas: Canvas) -> None:
        """Bring each variant to what its row of `step` says, and see whether it is finished."""
        doubtful = step.settled & (step.confidence < self._request.least_confidence)
        texts = read(step.ids, canvas, self._spec, doubtful)
        heads = settled_head(step.ids, step.settled & ~doubtful, canvas, self._spec)
        ends = closed(torch.where(step.settled, step.ids, -1), canvas, self._spec)
        surprise = -step.confidence.clamp_min(LEAST_CONFIDENCE).log()
        counted = step.settled & kept(step.ids, canvas, self._spec)
        for row, variant in enumerate(variants):
            if variant.stop is not Stop.RUNNING:
                continue
            variant.gaps, variant.head = texts[row], heads[row]
            variant.current_surprises = surprise[row][counted[row]].tolist()
            variant.tokens = self._tokens(step, canvas, row)
            done = bool(step.done[row])
            variant.stop = self._stop(variant, done, ends[row])
            final = done or self._spec.order == "left_to_right"
            if final and not self._request.between and bool((counted & doubtful)[row].any()):
                variant.stop = Stop.COMPLETE  # what follows a doubtful token is cut anyway

    def fill(self, variant: Variant) -> Fill:
        """The variant as the text side sees it."""
        texts = [
            self._cut(self._text(ids), gap) for gap, ids in enumerate(variant.gaps[1:], start=1)
        ]
        ended = variant.stop in (Stop.STABLE, Stop.COMPLETE) or variant.end is not None
        return Fill((self.text(variant), *texts), variant.confidence, variant.tokens, ended)

    def text(self, variant: Variant) -> str:
        """The first gap's draft; in single-line mode up to its first line break."""
        return self.text_of(variant.ids)

    def _stop(self, variant: Variant, done: bool, ends: list[bool]) -> Stop:
        settled = self._begun(variant.committed + variant.head)
        if not self._request.between:  # how the first ends says nothing of the others
            if self._request.one_line(0) and "\n" in settled:
                return Stop.COMPLETE
            if self._request.is_complete is not None and self._request.is_complete(settled):
                return Stop.COMPLETE
        if done and all(ends):
            return Stop.STABLE
        return Stop.RUNNING

    def text_of(self, ids: list[int]) -> str:
        """The first gap's text that these ids say."""
        return self._cut(self._begun(ids), 0)

    def _begun(self, ids: list[int]) -> str:
        return self._request.begins + self._text(ids, self._healed)

    def _cut(self, text: str, gap: int) -> str:
        return text.split("\n", 1)[0] if self._request.one_line(gap) else text

    def _text(self, ids: list[int], healed: bytes = b"") -> str:
        # A character cut in two at the very end is not text yet.
        return self._tokenizer.decode_bytes(ids).removeprefix(healed).decode("utf-8", "ignore")

    def _tokens(self, step: Step, canvas: Canvas, row: int) -> tuple[Token, ...]:
        # A draft that shows slots no text can be read from (mask, delete) shows them empty.
        hidden = {self._spec.mask_id, self._spec.delete_id, *self._spec.eos_ids}
        return tuple(
            Token(
                ""
                if id_ in hidden
                else self._tokenizer.token_bytes(id_).decode("utf-8", "replace"),
                confidence,
                free,
                settled,
            )
            for id_, confidence, free, settled in zip(
                step.ids[row].tolist(),
                step.confidence[row].tolist(),
                canvas.free.tolist(),
                step.settled[row].tolist(),
                strict=True,
            )
        )
