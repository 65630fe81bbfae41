"""One request under way: what its steps hand to one another, and the drafts it gives."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from engine.models.base import KV
from engine.prompt import Prompt
from engine.readout import Readout, Variant
from engine.request import Draft, InfillRequest, Stats, Stop


@dataclass(slots=True)
class Run:
    """One request under way."""

    request: InfillRequest
    prompt: Prompt
    kv: KV
    readout: Readout
    generator: torch.Generator
    variants: list[Variant]
    longest: int
    submitted: float
    until: float
    interrupted: Callable[[], bool]
    reused: int
    ms: dict[str, float]
    canvas_tokens: int = 0
    steps: int = 0
    forwards: int = 0
    late: bool = False
    shown: dict[str, str | None] = field(default_factory=dict)
    """What `InfillRequest.shown` has said so far."""
    avoided: list[int] = field(default_factory=list)
    """First ids of fills of which nothing could be shown."""
    beginnings: int = 1
    """How often the fills were begun."""
    denoising_since: float = field(default_factory=time.perf_counter)
    """Moved on by what was spent on encoding finished blocks."""

    def begin_otherwise(self) -> None:
        """Drop the variants, for others that begin with other tokens."""
        firsts = [variant.ids[0] for variant in self.variants if variant.ids]
        self.avoided = list(dict.fromkeys([*self.avoided, *firsts]))
        self.beginnings += 1
        self.variants = [Variant() for _ in self.variants]
        self.kv.truncate(len(self.prompt.ids))

    def read(self, variant: Variant) -> list[int]:
        """The ids that a variant's canvas goes on from; the last one stands in it."""
        return [*self.prompt.ids, *self.prompt.left, *variant.committed]

    def draft(self, stop: Stop) -> Draft:
        """What is there after a step, or at the end: then the best variant comes first."""
        now = time.perf_counter()
        ms = {
            **self.ms,
            "denoise": (now - self.denoising_since) * 1e3,
            "total": (now - self.submitted) * 1e3,
        }
        stats = Stats(
            prompt_tokens=len(self.prompt.ids),
            reused_tokens=self.reused,
            dropped_chars=self.prompt.dropped_chars,
            canvas_tokens=self.canvas_tokens,
            steps=self.steps,
            forwards=self.forwards,
            ms=ms,
        )
        variants = self.variants
        if stop is not Stop.RUNNING:
            made = [variant for variant in variants if not variant.given_up]
            variants = sorted(made, key=lambda each: (-each.weight, -each.confidence))
        return Draft(self.steps, tuple(map(self.readout.fill, variants)), stop, stats)
