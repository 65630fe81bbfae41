"""Which of several fills goes best with what follows? The one whose whole is the most probable.

A model that writes from left to right knows little or nothing of the text after a gap, but it can say
how probable that text is behind a fill. By Bayes' rule P(fill | before, after) is proportional to
P(fill, after | before), so of several fills the most probable whole is the best guess at what both
sides ask for. Knows ids, and of the model that it can read causally.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from engine.models.base import KV, DenoisingModel

FOLLOWING = 6
"""Tokens of the text after the gap that are weighed: 4 to 24 chose alike, and each costs a row."""
ROWS_AT_ONCE = 256
"""Rows of logits in one forward: 50 MB with 49,152 words."""


def log_probabilities(
    model: DenoisingModel, kv: KV, left: Sequence[int], continuations: Sequence[Sequence[int]]
) -> Iterator[float]:
    """For each of `continuations`, each at least one id, nats of it behind the prompt in `kv` and
    `left`: the log of its probability, read causally. One forward for as many as fit together."""
    batch: list[Sequence[int]] = []
    for ids in continuations:
        width = max(map(len, [*batch, ids]))
        if batch and (len(batch) + 1) * width > ROWS_AT_ONCE:
            yield from _together(model, kv, left, batch)
            batch = []
        batch.append(ids)
    if batch:
        yield from _together(model, kv, left, batch)


def _together(
    model: DenoisingModel, kv: KV, left: Sequence[int], continuations: Sequence[Sequence[int]]
) -> list[float]:
    width = max(map(len, continuations))
    padded = [[*ids, *[ids[-1]] * (width - len(ids))] for ids in continuations]
    ids = torch.tensor([[*left, *line] for line in padded], device=model.device)
    places = torch.arange(ids.shape[1], device=model.device).expand_as(ids)
    asked = places[:, len(left) :]
    logits = model.denoise(ids, kv, asked, None, places)  # each place sees those before it
    wanted = ids[:, len(left) :, None]
    nats = logits.gather(2, wanted).squeeze(2) - logits.logsumexp(-1)
    lengths = torch.tensor([[len(each)] for each in continuations], device=model.device)
    within = asked - len(left) < lengths
    sums: list[float] = nats.where(within, 0.0).sum(1).tolist()
    return sums
