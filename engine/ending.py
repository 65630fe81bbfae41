"""Where does a fill end? For a model that goes on writing behind the gap, as one tuned to chat does.

Each line's end of the fill is tried: how probable is it that what stands after the gap follows here? With
the probability of the text up to there that is the probability of the whole, and the most probable whole
is the best guess at where the gap closes. What the model has computed for the fill is used again, so that
an end costs one forward of a few rows. Knows tokens; what may be shown is asked of the request.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from engine.canvas import LATER
from engine.config import CANVAS_LIMIT
from engine.models.base import DenoisingModel
from engine.readout import Variant
from engine.request import Cancelled
from engine.run import Run
from engine.tokenizer import Tokenizer

FOLLOWING = 12
"""Tokens of the text after the gap that are looked for."""
FOLLOWING_CHARS = 100
MOST_ENDS = 8
"""Ends of lines that are tried, from the first one on."""


class Endings:
    """Cuts the variants of a request where they most probably end."""

    def __init__(self, model: DenoisingModel, tokenizer: Tokenizer) -> None:
        self._model = model
        self._tokenizer = tokenizer

    def choose(self, run: Run) -> None:
        """Set `Variant.end` where the model does not end a gap by itself and lines follow the gap."""
        request = run.request
        follows = request.suffix.removeprefix("\n")
        if (
            self._model.spec.ends_itself
            or not self._model.spec.reads_on  # what is written would be read otherwise than it was
            or request.shown is None
            or request.between
            or request.one_line(0)
            or not follows.strip()
            or (request.suffix == follows and not request.prefix.endswith("\n"))
        ):
            return
        after = self._tokenizer.encode(follows[:FOLLOWING_CHARS])[:FOLLOWING]
        began = time.perf_counter()
        for variant in run.variants:
            if run.late or variant.given_up:
                continue
            self._end(run, variant, after)
        spent = time.perf_counter() - began
        run.ms["end"] = spent * 1e3
        run.denoising_since += spent

    def _end(self, run: Run, variant: Variant, after: Sequence[int]) -> None:
        assert run.request.shown is not None  # `choose` looks
        ids = variant.ids
        breaks = [
            count for count, id_ in enumerate(ids, 1)
            if self._tokenizer.token_bytes(id_).endswith(b"\n")
        ]  # fmt: skip
        ends = [end for end in breaks[:MOST_ENDS] if self._fits(run, end, after)]
        if not ends or ends == [len(ids)]:
            return
        if run.kv.length != len(run.prompt.ids):
            run.kv.truncate(len(run.prompt.ids))
        weights: dict[int, float] = {}
        for end in reversed(ends):  # so that each finds what it needs in the scratch area
            if run.interrupted():
                raise Cancelled("the request was cancelled")
            if time.perf_counter() >= run.until:
                run.late = True
                return
            written = sum(variant.surprises[:end])
            weights[end] = self._nats(run, ids[:end], after) - written
        for end in sorted(weights, key=weights.__getitem__, reverse=True):
            if run.request.shown(run.readout.text_of(ids[:end])):
                variant.end = end
                variant.weight = weights[end]
                return

    def _fits(self, run: Run, end: int, after: Sequence[int]) -> bool:
        return len(run.prompt.left) + end + len(after) <= CANVAS_LIMIT

    def _nats(self, run: Run, written: Sequence[int], after: Sequence[int]) -> float:
        """The log-probability of `after` behind the prompt and what is written."""
        known = [*run.prompt.left, *written, *after]
        width = max(run.canvas_tokens, len(known))
        device = self._model.device
        canvas = torch.tensor([[*known, *[0] * (width - len(known))]], device=device)
        turn = torch.arange(1, width + 1, device=device)[None]
        turn = turn.masked_fill(turn > len(known), LATER)
        places = torch.arange(len(known) - len(after), len(known), device=device)[None]
        logits = self._model.denoise(canvas, run.kv, places, None, turn)[0]
        wanted = torch.tensor(list(after), device=device)[:, None]
        said = logits.gather(1, wanted).squeeze(1) - logits.logsumexp(-1)
        run.forwards += 1
        return float(said.sum())
