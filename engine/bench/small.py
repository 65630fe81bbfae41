"""A model as it comes, the bundled one unless another is named: its forwards, through the contract
that every model keeps, and what a user waits for, through the engine's door.

Its weights are real, so fills end where they end.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

import engine
from engine.bench.figures import Row
from engine.bench.limits import Rates, median_seconds
from engine.canvas import build, turns
from engine.config import EngineConfig
from engine.models.base import KV, DenoisingModel
from engine.models.loading import load_model
from engine.request import Draft, EngineInfo, InfillEngine, InfillRequest
from engine.tokenizer import Tokenizer

ROWS = (1, 4, 8, 16)
"""Slots asked for in one forward."""
CHARS = 3
"""Of code, in a token."""


@dataclass(slots=True)
class Subject:
    """One model that is measured."""

    model: str
    """By name or folder."""
    device: torch.device
    code: str
    context: int
    """Tokens of prompt under a forward, and about as many around a line."""
    variants: int
    """The most in one forward."""
    rates: Rates
    repeats: int
    """Runs behind each median, and lines whose rest is filled."""
    until: float
    """`time.monotonic()` after which no measurement begins."""

    def rows(self) -> Iterator[Row]:
        """All. EngineError says why the model cannot be loaded."""
        config = EngineConfig(model=self.model, device=str(self.device), background_prompt=False)
        model, tokenizer, info = load_model(config)
        yield from self.forwards(model, tokenizer, info)
        del model
        began = time.monotonic()
        loaded = engine.load(config)
        try:
            name = loaded.ready.result().model
            yield Row(name, "loaded and warmed up", 0, 0, time.monotonic() - began, "s")
            yield from self.fills(loaded, name)
        finally:
            loaded.close()

    @torch.inference_mode()
    def forwards(
        self, model: DenoisingModel, tokenizer: Tokenizer, info: EngineInfo
    ) -> Iterator[Row]:
        """Of a canvas behind a prompt. The limit: all weights are read once."""
        limit = info.weights_bytes / self.rates.bytes * 1e3
        ids = tokenizer.encode(self.code)[: self.context]
        kv = model.new_kv()
        prompt = torch.tensor(ids[:-1], device=self.device)
        seconds = median_seconds(lambda: self._encode(model, prompt, kv), self.device, 2)
        yield Row(info.model, "prompt encoded", len(prompt), 1, len(prompt) / seconds, "tokens/s")
        for rows, variants in [*((rows, 1) for rows in ROWS), (1, self.variants)]:
            if time.monotonic() > self.until:
                return
            ms = self._forward(model, kv, ids[-1:], rows, variants) * 1e3
            yield Row(info.model, "a forward", len(prompt), variants, ms, "ms", limit, slots=rows)

    def fills(self, loaded: InfillEngine, name: str) -> Iterator[Row]:
        """The rest of a line, its prompt warm, and so many variants of it."""
        requests = [self._request(*place) for place in self._places()]
        for variants in (1, self.variants):
            if time.monotonic() > self.until:
                return
            finals = [
                self._warm(loaded, replace(request, variants=variants)) for request in requests
            ]
            ms = statistics.median(draft.stats.ms["total"] for draft in finals)
            forwards = statistics.mean(draft.stats.forwards for draft in finals)
            tokens = statistics.median(draft.stats.prompt_tokens for draft in finals)
            yield Row(name, "rest of a line", int(tokens), variants, ms, "ms")
            what = "rest of a line: forwards"
            yield Row(name, what, int(tokens), variants, forwards, "forwards")

    def _encode(self, model: DenoisingModel, prompt: torch.Tensor, kv: KV) -> None:
        kv.truncate(0)
        model.encode(prompt, kv)

    def _forward(
        self, model: DenoisingModel, kv: KV, left: list[int], rows: int, variants: int
    ) -> float:
        """Seconds. Variants differ in their first slot, which is known; all others are asked for."""
        spec, more = model.spec, int(variants > 1)
        generator = torch.Generator(self.device).manual_seed(0)
        canvas = build(left, [rows + more], [], left, spec, generator)
        ids = canvas.ids.repeat(variants, 1)
        if more:
            ids[:, canvas.slots[0]] = torch.arange(variants, device=self.device)
        wanted = canvas.slots[more:].repeat(variants, 1)
        turn = turns(ids, canvas, spec)

        def forward() -> None:
            kv.truncate(kv.length)  # or a model could keep what it computed the last time
            model.denoise(ids, kv, wanted, None, turn)

        return median_seconds(forward, self.device, self.repeats)

    def _places(self) -> list[tuple[int, int]]:
        """Where the right-hand sides of assignments begin and end, from the middle of the code on."""
        found: list[tuple[int, int]] = []
        at = len(self.code) // 2
        while len(found) < self.repeats and (begin := self.code.find(" = ", at)) >= 0:
            end = self.code.find("\n", begin)
            found.append((begin + 3, end if end >= 0 else len(self.code)))
            at = found[-1][1]
        return found

    def _request(self, begin: int, end: int) -> InfillRequest:
        before, after = 3 * CHARS * self.context // 4, CHARS * self.context // 4
        return InfillRequest(
            self.code[max(0, begin - before) : begin],
            self.code[end : end + after],
            single_line=True,
        )

    def _warm(self, loaded: InfillEngine, request: InfillRequest) -> Draft:
        """The second time that it is asked for, as when somebody pauses after a key."""
        loaded.submit(request).result.result()
        return loaded.submit(request).result.result()
