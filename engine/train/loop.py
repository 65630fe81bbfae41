"""START HERE: one training run, from the newest checkpoint or from a model, until time is up.

    for each step:  batch → noise → forward → loss → backward → clip → step

Weights, gradients and the optimiser's sums are float32, products bfloat16. On the CPU a run that was
stopped and resumed equals one that was not, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from engine.models.base import ModelSpec
from engine.models.block_llama import BlockLlama
from engine.request import EngineError
from engine.tokenizer import Tokenizer
from engine.train import checkpoint
from engine.train.batch import Batch, Noised, noised
from engine.train.corpus import Document
from engine.train.distributed import ALONE, Ranks, like, whole
from engine.train.forward import flex_attention_for, hidden_states, plain_attention
from engine.train.loss import Loss, loss_of
from engine.train.optimizers import optimizers_for
from engine.train.recipe import Recipe
from engine.train.stream import Stream, batches

Report = Mapping[str, object]
"""One line of the log (see `Trainer.run`)."""

SUMS = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")
"""What AdamW and Muon remember of a parameter."""
DEV_BATCHES = 4
DEV_SEED = 1_000_003


@dataclass(frozen=True, slots=True)
class Limit:
    """When a run ends: at the earlier of both."""

    steps: int | None = None
    """Of the run as a whole, those before it was resumed included."""
    minutes: float | None = None
    """Of this process."""

    def done(self, step: int, seconds: float) -> float:
        """The share that is over, 0 to 1; 0 without a limit."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / self.steps)
        if self.minutes is not None:
            shares.append(seconds / (60 * self.minutes))
        return min(1.0, max(shares))


class RowsLoss(nn.Module):
    """From rows to their loss, as a module: what is shared out over processes begins and ends here."""

    def __init__(self, model: BlockLlama, recipe: Recipe, compiled: bool, ranks: Ranks) -> None:
        super().__init__()
        self.model = model
        self._recipe, self._compiled, self._ranks = recipe, compiled, ranks
        self._hidden_states = torch.compile(hidden_states) if compiled else hidden_states

    def forward(self, batch: Batch, noise: Noised) -> Loss:
        attend = (
            flex_attention_for(batch, noise.turn, compiled=True)
            if self._compiled
            else plain_attention(batch, noise.turn)
        )
        hidden = self._hidden_states(self.model, noise.ids, batch.position, attend)
        return loss_of(self.model, hidden, batch, noise, self._recipe, self._ranks.mean)


class Trainer:
    """A model, its optimiser, and how far they are."""

    def __init__(
        self, model: BlockLlama, open_tokenizer: Callable[[], Tokenizer], recipe: Recipe, *,
        compiled: bool = False, ranks: Ranks = ALONE,
    ) -> None:  # fmt: skip
        """model: float32, on the device to train on. compiled: FlexAttention and torch.compile,
        for CUDA. ranks: the processes that share this run; each step's rows are shared out."""
        if recipe.rows % ranks.count:
            raise EngineError(f"{recipe.rows} rows cannot be shared by {ranks.count} processes.")
        if recipe.muon and ranks.count > 1:
            raise EngineError("Muon needs whole matrices: one process, or muon=false.")
        self.model = model.train().requires_grad_(True)
        self.spec: ModelSpec = model.spec
        self.recipe = recipe
        self.step = 0
        self.seconds = 0.0
        self.tokens = 0
        """Tokens of rows seen so far, padding included."""
        self.positions = 0
        """Slots that counted in a loss so far."""
        self._open_tokenizer = open_tokenizer
        self._ranks = ranks
        self._forward = RowsLoss(model, recipe, compiled, ranks)
        ranks.shard(self._forward)
        self._optimizers = optimizers_for(model, recipe)

    def run(
        self,
        documents: list[Document],
        limit: Limit,
        *,
        heldout: list[Document] | None = None,
        workers: int = 0,
        every: float = 300.0,
        on_report: Callable[[Report], None] = lambda report: None,
        on_pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Train until the limit.

        every: seconds between two pauses: a look at the dev loss, then `on_pause` (save there).
        on_report: after each step: step, seconds, tokens, positions, loss, denoise, causal, lr,
            tokens_per_second, utilization; and `dev` where it was looked at.
        """
        peak = peak_flops(self.model.device)
        dev = self._dev_batches(heldout) if heldout else []
        stream = Stream(documents, self._open_tokenizer, self.spec, self.recipe)
        began = looked = time.perf_counter()
        before = self.seconds
        for batch in batches(stream, self.step, workers):
            start = time.perf_counter()
            done = self._ranks.agree(limit.done(self.step, start - began))
            if done >= 1.0:
                break
            rate = self.recipe.rate_at(self.step, done)
            loss = self.train_step(batch, rate)
            now = time.perf_counter()
            self.seconds = before + now - began
            speed = batch.ids.numel() / (now - start)
            report: dict[str, object] = {
                "step": self.step,
                "seconds": round(self.seconds, 2),
                "tokens": self.tokens,
                "positions": self.positions,
                "loss": loss.total.item(),
                "denoise": loss.denoise.item(),
                "causal": loss.causal.item(),
                "lr": rate,
                "tokens_per_second": round(speed, 1),
                "utilization": round(speed * self._flops_per_token() / peak, 4),
            }
            pause = self._ranks.agree(now - looked) > every
            if pause and dev:
                report["dev"] = self.evaluate(dev)
            on_report(report)
            if pause:
                on_pause()
                looked = time.perf_counter()
        if dev:
            on_report({"step": self.step, "seconds": self.seconds, "dev": self.evaluate(dev)})
        on_pause()

    def train_step(self, batch: Batch, rate: float) -> Loss:
        """One step on one batch; counts it."""
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        loss = self._loss(batch, self._generator(self.step))
        loss.total.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.tokens += batch.ids.numel()
        self.positions += int(batch.free.sum())
        return loss

    @torch.no_grad()
    def evaluate(self, dev: list[Batch]) -> dict[str, float]:
        """Mean losses over batches (at least one) whose noise is always the same."""
        losses = [
            self._loss(batch, self._generator(DEV_SEED + number))
            for number, batch in enumerate(dev)
        ]
        return {
            name: sum(float(getattr(loss, name)) for loss in losses) / len(losses)
            for name in ("denoise", "causal")
        }

    def save(self, folder: Path) -> None:
        """Everything a later run needs to go on as if it had not been stopped."""
        weights = dict(self.model.named_parameters())
        names = {id(value): name for name, value in weights.items()}
        tensors = {f"weight.{name}": whole(value.detach()) for name, value in weights.items()}
        for optimizer in self._optimizers:
            for parameter, sums in optimizer.state.items():
                name = names[id(parameter)]
                tensors |= {f"{kind}.{name}": whole(value) for kind, value in sums.items()}
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "tokens": self.tokens,
            "positions": self.positions,
            "recipe": self.recipe.to_json(),
        }
        if self._ranks.first:
            checkpoint.save(folder, tensors, state)
        self._ranks.meet()

    def resume(self, folder: Path) -> None:
        """Go on from `save`."""
        tensors, state = checkpoint.load(folder)
        self.step, self.seconds = state["step"], state["seconds"]
        self.tokens, self.positions = state["tokens"], state["positions"]
        weights = dict(self.model.named_parameters())
        for name, parameter in weights.items():
            parameter.data.copy_(like(tensors[f"weight.{name}"], parameter))
        for optimizer in self._optimizers:
            theirs = {id(each) for group in optimizer.param_groups for each in group["params"]}
            for name, parameter in weights.items():
                sums = {
                    kind: like(tensors[f"{kind}.{name}"], parameter)
                    for kind in SUMS
                    if f"{kind}.{name}" in tensors
                }
                if sums and id(parameter) in theirs:
                    optimizer.state[parameter] = sums

    def _loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Of all rows; differentiable in this process's share of them."""
        device, ranks = self.model.device, self._ranks
        batch = batch.to(device)
        noise = noised(batch, self.spec, self.recipe, generator)
        mine = (ranks.rank, ranks.count)
        with torch.autocast(device.type, torch.bfloat16):
            total, denoise, causal = self._forward(batch.rows(*mine), noise.rows(*mine))
        return Loss(total, ranks.mean(denoise), ranks.mean(causal))

    def _generator(self, step: int) -> torch.Generator:
        seed = hash((self.recipe.seed, step)) & (2**62 - 1)  # of numbers: the same in each process
        return torch.Generator(self.model.device).manual_seed(seed)

    def _dev_batches(self, heldout: list[Document]) -> list[Batch]:
        stream = Stream(heldout, self._open_tokenizer, self.spec, self.recipe)
        return list(islice(batches(stream, DEV_SEED, 0), DEV_BATCHES))

    def _flops_per_token(self) -> float:
        """Forward and backward; a product of n weights costs 6 n, of weights that stay 4 n. The table
        of embeddings counts for about the third of tokens that logits are made of; attention is left
        out."""
        learned = sum(each.numel() for each in self.model.layers.parameters())
        stay = sum(each.numel() for each in self.model.layers.buffers())
        table = self.model.embedding.weight
        return (
            6.0 * learned + 4.0 * stay + (6.0 if table.requires_grad else 4.0) * table.numel() / 3
        )


def peak_flops(device: torch.device, size: int = 2048) -> float:
    """bfloat16 operations a second of one large product: what the device can do at best."""
    left = torch.randn(size, size, device=device).to(torch.bfloat16)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        product = left @ left
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    del product
    return 2 * size**3 / best
