"""START HERE: one request from text to text, in six steps.

    1. prompt    pieces of text become token ids within the budget, and within the deadline
    2. cache     the longest start already encoded is reused, the rest is encoded
    3. canvas    anchors and free slots are laid out
    4. denoise   forward, sample, accept, renoise, until stable; each step is a draft
    5. continue  a canvas that is full but not finished is encoded, and a new one starts
    6. weigh     of several fills, the one that goes best with what follows comes first

The labels stand again in `Engine.infill`. Single-threaded: `engine.worker` owns the thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from engine.canvas import Canvas, build, side_by_side, turns
from engine.config import CANVAS_LIMIT, CANVAS_SIZES, EngineConfig
from engine.denoise import Guess, Heal, Predict, denoise
from engine.ending import Endings
from engine.guessing import guesses
from engine.length import best_length, candidate_lengths, length_score, slots
from engine.models.base import Asked, DenoisingModel, PredictingModel
from engine.models.kernels import Prediction
from engine.prompt import RIGHT_ANCHOR, right_anchor
from engine.prompting import SHORTEST_PROMPT, Prompting
from engine.readout import Readout, Variant
from engine.request import (
    Cancelled,
    CanvasFullError,
    Draft,
    EngineError,
    InfillRequest,
    Stop,
)
from engine.run import Run
from engine.sampler import Constraint, OneLine, bans_for, sampling_for
from engine.static_shapes import StaticShapes
from engine.threads import SpareCores
from engine.tokenizer import Tokenizer
from engine.weighing import Weigher

LONGEST_LINE = 96
LONGEST_FILL = 256
"""Most tokens of a gap where the request names no limit: of a single line, and of any other."""
BEGINNINGS = 3
"""First tokens that are tried, where nothing of a fill can be shown."""


class Engine:
    """A loaded model and the caches of its prompts."""

    def __init__(self, model: DenoisingModel, tokenizer: Tokenizer, config: EngineConfig) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._spec = model.spec
        self._static = _static_shapes(model)
        self._budget = min(config.budget, model.spec.context_length)
        self._prompts = Prompting(model, tokenizer, config, self._budget)
        self._weigher = Weigher(model, tokenizer, self._budget)
        self._endings = Endings(model, tokenizer)
        self._max_steps = config.max_steps or model.spec.max_steps
        on_cpu = model.device.type == "cpu"
        follow = on_cpu and config.threads is None
        self._spare_cores = SpareCores(torch.get_num_threads()) if follow else None

    @torch.inference_mode()
    def infill(
        self,
        request: InfillRequest,
        submitted: float | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> Iterator[Draft]:
        """Yield a Draft after each step; the last one is final.

        submitted: the `time.perf_counter()` from which the deadline runs; None: from now.
        interrupted: asked between forwards; Cancelled is raised when it says yes.
        """
        with self._out_of_memory_said():
            run = self._begin(request, submitted, interrupted)  # 1. prompt and 2. cache
            try:
                yield from self._write(run)
                while self._wants_another_beginning(run):
                    run.begin_otherwise()
                    yield from self._write(run)
                self._weigher.weigh(run)  # 6. weigh
                stop = run.variants[0].stop
                if stop is Stop.RUNNING:
                    stop = Stop.DEADLINE if run.late else Stop.LENGTH
                yield run.draft(stop)
            finally:
                run.kv.truncate(len(run.prompt.ids))

    def _write(self, run: Run) -> Iterator[Draft]:
        """Steps 3 to 5, and where each variant ends."""
        # 3. and 4. all variants in one batch
        canvas = self._first_canvas(run)
        yield from self._refine(run, run.variants, canvas, heal=True)
        # 5. continue: each by itself, for its prompt now holds its own last block
        for variant in run.variants:
            while self._goes_on(run, variant):
                canvas = self._next_canvas(run, variant)
                yield from self._refine(run, [variant], canvas, heal=False)
        self._endings.choose(run)

    def _wants_another_beginning(self, run: Run) -> bool:
        """Whether nothing can be shown, and there is time for fills that begin otherwise: the likeliest may
        only repeat what stands after the gap."""
        shown = run.request.shown
        if shown is None or run.request.between or run.late or run.beginnings == BEGINNINGS:
            return False
        return not any(shown(run.readout.text(variant)) for variant in run.variants)

    # -- growing the prompt while nobody waits ------------------------------------------------

    @property
    def wants_growth(self) -> bool:
        """Whether the last request's whole prompt is not encoded yet, or not exactly."""
        return self._prompts.wants_growth

    @torch.inference_mode()
    def grow(self, interrupted: Callable[[], bool]) -> None:
        """Encode more of the last request's whole prompt, until done or interrupted."""
        self._prompts.grow(interrupted)

    @contextmanager
    def _out_of_memory_said(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError as error:
            self.forget()
            raise EngineError(
                f"{self._model.device} ran out of memory, and all cached prompts were dropped. End "
                "other programs that use the GPU, or ask for fewer variants."
            ) from error

    def forget(self) -> None:
        """Drop all caches, after a failure that may have left them half written."""
        self._prompts.forget()
        self._static = _static_shapes(self._model)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Run each kind of forward once, so that the first user does not pay for it, and learn how
        fast this device encodes."""
        self._use_spare_cores()
        _ = self._tokenizer.ids_with_prefix(b" "), self._tokenizer.newline_ids  # make their tables
        kv = self._model.new_kv()
        # The first pays for what comes once; a GPU compiles for few rows and for many.
        counts: tuple[int, ...] = (SHORTEST_PROMPT // 2, SHORTEST_PROMPT)
        if self._model.device.type == "cuda":
            counts = (1, 24, min(1024, self._budget - CANVAS_LIMIT), *counts)
        for count in counts:
            kv.truncate(0)
            ids = torch.randint(self._spec.vocab_size, (count,), device=self._model.device)
            begin = time.perf_counter()
            self._model.encode(ids, kv)
            self._prompts.measure(count, time.perf_counter() - begin)
        rows = torch.tensor([[1]], device=self._model.device)
        self._model.denoise(ids[None, : CANVAS_SIZES[0]], kv, rows)
        if self._static is not None and self._model.device.type == "cuda":
            self._static.warm_up(kv)

    # -- the six steps ------------------------------------------------------------------------

    def _begin(
        self, request: InfillRequest, submitted: float | None, interrupted: Callable[[], bool]
    ) -> Run:
        began = time.perf_counter()
        self._use_spare_cores()
        submitted = began if submitted is None else submitted
        until = math.inf if request.deadline is None else submitted + request.deadline
        longest = request.max_tokens or (LONGEST_LINE if request.single_line else LONGEST_FILL)

        # 1. prompt and 2. cache
        prompted = self._prompts.prompted(request, longest, until, interrupted)
        prompt = prompted.prompt
        prompting, encoding = prompted.seconds
        return Run(
            request,
            prompt,
            prompted.kv,
            Readout(request, self._tokenizer, self._spec, prompt.heal),
            torch.Generator(self._model.device).manual_seed(request.seed),
            [Variant() for _ in range(request.variants)],
            longest,
            submitted,
            until,
            interrupted,
            prompted.reused,
            {
                "queue": (began - submitted) * 1e3,
                "prompt": prompting * 1e3,
                "encode": encoding * 1e3,
                "forward": 0.0,
            },
        )

    def _first_canvas(self, run: Run) -> Canvas:
        between = [self._tokenizer.encode(text) for text in run.request.between]
        right = self._right_anchor(run.request.suffix)
        return self._canvas(run, run.prompt.left, between, right, run.longest)

    def _next_canvas(self, run: Run, variant: Variant) -> Canvas:
        """Encode the variant's finished blocks behind the prompt; start where they end."""
        ids = run.prompt.left + variant.committed
        began = time.perf_counter()
        run.kv.truncate(len(run.prompt.ids))
        self._model.encode(torch.tensor(ids[:-1], device=self._model.device), run.kv)
        spent = time.perf_counter() - began
        run.ms["encode"] += spent * 1e3
        run.denoising_since += spent
        right = self._right_anchor(run.request.suffix)
        used = len(variant.committed)
        longest = min(run.longest - used, self._rest(run, used))
        return self._canvas(run, ids[-1:], [], right, longest)

    def _rest(self, run: Run, used: int) -> int:
        """Slots that the budget still has after `used` tokens of a variant."""
        held = len(run.prompt.ids) + len(run.prompt.left) + used
        return self._budget - held - RIGHT_ANCHOR

    def _canvas(
        self, run: Run, left: list[int], between: list[list[int]], right: list[int], longest: int
    ) -> Canvas:  # fmt: skip
        anchors = len(left) + sum(map(len, between)) + len(right)
        gaps = len(between) + 1
        try:
            sizes = slots(
                self._spec,
                gaps=gaps,
                anchors=anchors,
                single_line=all(map(run.request.one_line, range(gaps))),
                max_tokens=longest,
            )
        except ValueError as error:
            raise CanvasFullError(
                f"{gaps} gaps with {anchors} tokens between and around them do not fit one canvas "
                f"of {CANVAS_LIMIT}. Fill them one after another."
            ) from error
        if gaps == 1 and run.request.max_tokens is None:
            sizes = [self._gap_length(run, left, right, sizes[0])]
        canvas = build(left, sizes, between, right, self._spec, run.generator)
        run.canvas_tokens = canvas.size
        return canvas

    def _gap_length(self, run: Run, left: list[int], right: list[int], limit: int) -> int:
        """For a model that cannot end a gap by itself: the length it finds most natural."""
        lengths = candidate_lengths(self._spec, limit)
        if len(lengths) == 1:
            return lengths[0]
        canvases = [build(left, [each], [], right, self._spec, run.generator) for each in lengths]
        ids, rows, turn = side_by_side(canvases, self._spec)
        logits = self._forward(run, turn, ids, rows, None)
        return best_length(
            {
                length: length_score(line[None, :length])[0]
                for length, line in zip(lengths, logits, strict=True)
            }
        )

    def _refine(
        self, run: Run, variants: list[Variant], canvas: Canvas, *, heal: bool
    ) -> Iterator[Draft]:
        """Denoise one canvas; `variants` are its rows."""
        run.canvas_tokens = canvas.size
        shown = canvas.to(torch.device("cpu"))  # as steps are
        wanted = run.prompt.heal if heal else b""
        constraints = []
        if (
            wanted
            and self._spec.order == "any"
            and (ids := self._tokenizer.ids_with_prefix(wanted))
        ):
            allowed = torch.tensor(ids, device=self._model.device)
            constraints = [Constraint(int(shown.slots[0]), allowed)]
        for step in denoise(
            lambda ids, rows, signal: self._forward(
                run, turns(ids, canvas, self._spec), ids, rows, signal
            ),
            canvas,
            sampling_for(self._spec),
            run.generator,
            variants=len(variants),
            bans=self._bans(run.request),
            constraints=constraints,
            one_line=self._one_line(run.request, canvas),
            max_steps=self._max_steps,
            guess=self._guess_for(run, variants),
            heal=self._heal_for(wanted),
            avoid=run.avoided if heal else (),
            predict=self._predict_for(run),
        ):
            run.steps += 1
            if run.interrupted():
                raise Cancelled("the request was cancelled")
            run.readout.update(variants, step, shown)
            self._weigher.give_up(run)
            run.late = time.perf_counter() >= run.until
            if run.late or all(variant.stop is not Stop.RUNNING for variant in variants):
                return
            yield run.draft(Stop.RUNNING)

    def _goes_on(self, run: Run, variant: Variant) -> bool:
        """Whether the variant's canvas is full, its text not at an end, and there is room."""
        if variant.stop is not Stop.RUNNING or run.late or run.request.between:
            return False
        used = len(variant.committed) + len(variant.head)
        if not variant.head or used >= run.longest or self._rest(run, used) < CANVAS_SIZES[0]:
            variant.stop = Stop.LENGTH
            return False
        variant.commit()
        return True

    def _forward(
        self, run: Run, turn: Tensor | None, ids: Tensor, rows: Tensor, signal: Tensor | None
    ) -> Tensor:
        began = time.perf_counter()
        logits = self._model.denoise(ids, run.kv, rows, signal, turn)
        run.forwards += 1
        run.ms["forward"] += (time.perf_counter() - began) * 1e3
        return logits

    def _guess_for(self, run: Run, variants: list[Variant]) -> Guess | None:
        """None for several variants, or a model that says many tokens at once by itself."""
        if len(variants) > 1 or self._spec.order != "left_to_right":
            return None
        (variant,) = variants
        anchors = 1 if variant.committed else len(run.prompt.left)
        before = run.read(variant)
        return guesses(run.request, before, anchors, self._tokenizer, self._spec)

    def _heal_for(self, wanted: bytes) -> Heal | None:
        """What the first gap has to begin with, for a model that writes token after token."""
        if not wanted or self._spec.order == "any":
            return None

        def only(ids: Sequence[int]) -> Tensor | None:
            written = self._tokenizer.decode_bytes(ids)
            rest = wanted[len(written) :]
            if not rest:
                return None
            return torch.tensor(self._tokenizer.ways_on(rest), device=self._model.device)

        return only

    def _predict_for(self, run: Run) -> Predict | None:
        """The step of a model that samples too; None: it only gives logits."""
        if self._static is None:
            return None
        shapes = self._static

        def predict(
            ids: Tensor, rows: Tensor, signal: Tensor | None, asked: Asked
        ) -> tuple[Prediction, Tensor]:
            began = time.perf_counter()
            outcome = shapes.predict(ids, run.kv, rows, signal, asked)
            run.forwards += 1
            run.ms["forward"] += (time.perf_counter() - began) * 1e3
            return outcome

        return predict

    def _right_anchor(self, suffix: str) -> list[int]:
        if not self._spec.anchored:
            return []  # it would not be looked at, or not be understood
        return right_anchor(suffix, self._tokenizer)

    def _bans(self, request: InfillRequest) -> Tensor:
        # Of several gaps each has its own rule (`_one_line`).
        # A model that only reads on ends a line by its line break, so it must be able to say one.
        one_line = request.one_line(0) and not request.between and not self._spec.reads_on
        more = self._tokenizer.newline_ids if one_line else ()
        return bans_for(self._spec, more).to(self._model.device)

    def _one_line(self, request: InfillRequest, canvas: Canvas) -> OneLine | None:
        gaps = [gap for gap in range(canvas.gaps) if request.one_line(gap)]
        if not (gaps and request.between):
            return None
        device = canvas.ids.device
        slots = torch.isin(canvas.gap, torch.tensor(gaps, device=device)).nonzero().squeeze(1)
        return OneLine(slots, torch.tensor(self._tokenizer.newline_ids, device=device))

    def _use_spare_cores(self) -> None:
        if self._spare_cores is not None:
            torch.set_num_threads(self._spare_cores.count())


def _static_shapes(model: DenoisingModel) -> StaticShapes | None:
    """For a model whose step stays on the device."""
    return StaticShapes(model) if isinstance(model, PredictingModel) else None
