"""Which of several fills goes best with what follows? The one whose whole is the most probable.

A model that writes from left to right knows little or nothing of the text after a gap, but it can say
how probable that text is behind a fill. By Bayes' rule P(fill | before, after) is proportional to
P(fill, after | before), so of several fills the most probable whole is the best guess at what both
sides ask for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import torch

from engine.models.base import KV, DenoisingModel
from engine.prompt import CHARS_PER_TOKEN
from engine.readout import Variant
from engine.request import Cancelled, Stop
from engine.run import Run
from engine.tokenizer import Tokenizer

FOLLOWING = 24
"""Tokens of the text after the gap that are weighed. 4 to 24 chose alike, but for fills that begin alike
(`InfillRequest.begins`): what tells those apart comes later."""
HOPELESS = 6.0
"""Nats that a variant may be behind. On 40 single lines 21 forwards a fill for 53, as many solved."""
ROWS_AT_ONCE = 256
"""Rows of logits in one forward: 50 MB with 49,152 words."""


class Weigher:
    """Puts the variants of a request in order."""

    def __init__(self, model: DenoisingModel, tokenizer: Tokenizer, budget: int) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._budget = budget

    def give_up(self, run: Run) -> None:
        """Stop the variants that have fallen too far behind what would be shown of the others."""
        enough = run.request.enough
        if enough is None or not self._weighs(run):
            return
        least: dict[str, float] = {}
        for variant in run.variants:
            if variant.stop is not Stop.RUNNING and (text := self._shown(run, variant)):
                least[text] = min(variant.total_surprise, least.get(text, math.inf))
        if len(least) < enough:
            return
        most = sorted(least.values())[enough - 1] + HOPELESS
        for variant in run.variants:
            if variant.stop is Stop.RUNNING and variant.total_surprise > most:
                variant.stop, variant.given_up = Stop.LENGTH, True

    def weigh(self, run: Run) -> None:
        """Give each variant the log-probability of what is shown of it together with what follows."""
        if not self._weighs(run) or run.late:
            return
        began = time.perf_counter()
        texts = [self._shown(run, variant) for variant in run.variants]
        continuation = self._ended if self._ends(run) else self._continuation
        whole = {text: continuation(run, text) for text in texts if text}
        run.kv.truncate(len(run.prompt.ids))
        weights: dict[str | None, float] = {None: -math.inf, "": -math.inf}
        ends = self._ends(run)
        nats = log_probabilities(self._model, run.kv, run.prompt.left, list(whole.values()), ends)
        for known, weight in zip(whole, nats, strict=True):
            if run.interrupted():
                raise Cancelled("the request was cancelled")
            if time.perf_counter() >= run.until:
                return  # all or none: the surest comes first, as without weighing
            weights[known] = weight
        for variant, text in zip(run.variants, texts, strict=True):
            variant.weight = weights[text]
        spent = time.perf_counter() - began
        run.ms["weigh"] = spent * 1e3
        run.denoising_since += spent

    def _weighs(self, run: Run) -> bool:
        several = len(run.variants) > 1 and not run.request.between
        asked = run.request.shown is not None
        return several and asked and self._model.spec.order == "left_to_right"

    def _shown(self, run: Run, variant: Variant) -> str | None:
        assert run.request.shown is not None  # `_weighs` holds that
        if variant.given_up:
            return None
        text = run.readout.text(variant)
        if text not in run.shown:
            run.shown[text] = run.request.shown(text)
        return run.shown[text]

    def _written(self, run: Run, text: str) -> str:
        """A fill as it follows the prompt."""
        return run.prompt.heal.decode("utf-8", "ignore") + text.removeprefix(run.request.begins)

    def _ended(self, run: Run, text: str) -> list[int]:
        """The ids of a fill and of its end, for a model whose prompt holds what follows."""
        return [*self._tokenizer.encode(self._written(run, text)), self._model.spec.eos_ids[0]]

    def _ends(self, run: Run) -> list[int]:
        """What may stand for `_ended`'s end: where the line ends with the gap, a line break, too."""
        if self._model.spec.fim is None or not self._model.spec.ends_itself:
            return []
        breaks = self._tokenizer.newline_ids if run.request.suffix.startswith("\n") else ()
        return [*self._model.spec.eos_ids, *breaks]

    def _continuation(self, run: Run, text: str) -> list[int]:
        """The ids of a fill and of the text after it, as they follow the prompt."""
        written = self._written(run, text)
        after = run.request.suffix[: FOLLOWING * CHARS_PER_TOKEN]
        ids = self._tokenizer.encode(written + after)
        own = len(self._tokenizer.encode(written))
        room = self._budget - len(run.prompt.ids) - len(run.prompt.left)
        return ids[: min(own + FOLLOWING, room)]


def log_probabilities(
    model: DenoisingModel, kv: KV, left: Sequence[int], continuations: Sequence[Sequence[int]],
    ends: Sequence[int] = (),
) -> Iterator[float]:  # fmt: skip
    """For each of `continuations`, each at least one id, nats of it behind the prompt in `kv` and
    `left`: the log of its probability, read causally. One forward for as many as fit together.

    ends: ids of which any may stand where the first of them does."""
    batch: list[Sequence[int]] = []
    for ids in continuations:
        width = max(map(len, [*batch, ids]))
        if batch and (len(batch) + 1) * width > ROWS_AT_ONCE:
            yield from _together(model, kv, left, batch, ends)
            batch = []
        batch.append(ids)
    if batch:
        yield from _together(model, kv, left, batch, ends)


def _together(
    model: DenoisingModel, kv: KV, left: Sequence[int], continuations: Sequence[Sequence[int]],
    ends: Sequence[int],
) -> list[float]:  # fmt: skip
    width = max(map(len, continuations))
    padded = [[*ids, *[ids[-1]] * (width - len(ids))] for ids in continuations]
    ids = torch.tensor([[*left, *line] for line in padded], device=model.device)
    places = torch.arange(ids.shape[1], device=model.device).expand_as(ids)
    asked = places[:, len(left) :]
    logits = model.denoise(ids, kv, asked, None, places)  # each place sees those before it
    wanted = ids[:, len(left) :, None]
    said = logits.gather(2, wanted).squeeze(2)
    if ends:
        any_end = logits[..., list(ends)].logsumexp(-1)
        said = torch.where(wanted.squeeze(2) == ends[0], any_end, said)
    nats = said - logits.logsumexp(-1)
    lengths = torch.tensor([[len(each)] for each in continuations], device=model.device)
    within = asked - len(left) < lengths
    sums: list[float] = nats.where(within, 0.0).sum(1).tolist()
    return sums
