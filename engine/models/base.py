"""The contract every model keeps: what it is (`ModelSpec`) and its two calls (`DenoisingModel`).

After DiffusionGemma's own protocol: a causal prompt whose keys and values are exact, and a canvas
that reads them and writes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from engine.models.kernels import Held, Prediction

Noise = Literal["mask", "uniform"]
Order = Literal["any", "left_to_right"]


@dataclass(frozen=True, slots=True)
class FimTokens:
    """Ids of the marks with which a model was trained to fill in the middle."""

    prefix: int
    suffix: int
    middle: int


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the loop must know of a model. Read from its `config.json`, never from file names."""

    name: str
    noise: Noise
    """`mask`: absorbing, free slots start as `mask_id`. `uniform`: they start as random tokens."""
    order: Order
    """`any`: every free slot may be accepted in a step. `left_to_right`: one after another. Either
    way slots see the anchors on both sides, if the model was trained for it (`delete_id`)."""
    shift: bool
    """True: the row at position i predicts the token at i+1, as autoregressive models do."""
    vocab_size: int
    context_length: int
    """Most tokens of prompt and canvas together."""
    eos_ids: tuple[int, ...]
    mask_id: int | None = None
    delete_id: int | None = None
    """The token of a slot that is not needed, where the model was trained to say so."""
    bos_id: int | None = None
    forbidden_ids: tuple[int, ...] = ()
    """Never sampled: other special tokens."""
    suffix_in_prompt: bool = False
    """True: trained with the text after the gap standing before the text that precedes it."""
    separator_id: int | None = None
    """Stands before each piece of the prompt. None: pieces are joined by a blank line."""
    fills_with_eos: bool = False
    """True: trained to fill what a text leaves of the canvas with end-of-text, so a gap says itself
    where it ends. Text after it would be foreign there: it stands in the prompt only."""
    opening: tuple[int, ...] = ()
    """Ids that every prompt begins with, in the place of `bos_id`."""
    before_prefix: tuple[int, ...] = ()
    """Ids between everything else and the text before the gap, which comes last."""
    path_id: int | None = None
    """Stands before the file's path, the prompt's first piece, where the model was trained with it."""
    fim: FimTokens | None = None
    """Set: trained to fill in the middle, with the text after the gap in the prompt (`fim_prompt`)."""
    licence: str = ""
    max_steps: int = 48

    @property
    def reads_on(self) -> bool:
        """Only continues what stands before the canvas, and cannot be told in it what follows."""
        return self.order == "left_to_right" and self.delete_id is None

    @property
    def sees_after(self) -> bool:
        """Is told, in the prompt or in the canvas, what follows the gap."""
        return not self.reads_on or self.fim is not None

    @property
    def ends_itself(self) -> bool:
        """Was trained to say where a gap ends. Qwen2.5-Coder's chat models have lost it: they go on with
        what stands after the gap."""
        return self.delete_id is not None or self.fills_with_eos

    @property
    def anchored(self) -> bool:
        """Understands text after the gap in the canvas."""
        return not self.reads_on and not self.fills_with_eos

    def __post_init__(self) -> None:
        if self.noise == "mask" and self.mask_id is None:
            raise ValueError(f"model {self.name!r} has absorbing noise but no mask_id")
        if self.path_id is not None and self.separator_id is None:
            raise ValueError(f"model {self.name!r} has a path_id but no separator_id")


class KV(Protocol):
    """Keys and values of one prompt. Grows at its end, and can be rolled back."""

    @property
    def length(self) -> int:
        """Prompt tokens held."""

    @property
    def nbytes(self) -> int: ...

    def truncate(self, length: int) -> None:
        """Forget everything from `length` on. O(1); needs 0 <= length <= self.length."""


@dataclass(frozen=True, slots=True)
class Lifted:
    """Keys and values of a run of tokens, on their way to another place of a cache."""

    start: int
    """The position of the first one, where they were encoded."""
    layers: list[tuple[Tensor, Tensor]]
    """A layer's keys [kv_heads, head_dim, n] and values [kv_heads, n, head_dim]."""


class DenoisingModel(Protocol):
    """Two calls. Both run under `torch.inference_mode()` and are not thread-safe."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def device(self) -> torch.device: ...

    def new_kv(self) -> KV:
        """An empty cache that can grow to `spec.context_length`; memory is used as it grows."""

    def encode(self, ids: Tensor, kv: KV) -> None:
        """Causal. Append the keys and values of `ids` ([n] int64) to `kv`."""

    def denoise(
        self, canvas: Tensor, kv: KV, rows: Tensor, signal: Tensor | None = None,
        turn: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Logits for the wanted canvas positions; `kv` keeps its length.

        canvas: [B, C] int64, B variants over the one prompt in `kv`; C <= 256. Canvas position 0
            follows the prompt's last token.
        rows: [B, R] int64, the positions whose token is asked for, ascending in each line. A model
            with `spec.shift` answers position p from its row p-1, so there 0 < p. Lines that need
            fewer than R repeat their last position.
        signal: the last step's self-conditioning, for a model that has it.
        turn: [B, C] int64, who sees whom in the canvas: a position sees those of its own turn and of
            earlier ones (`canvas.turns`). None: all see all.
        Returns float32 [B, R, vocab_size].
        """


@runtime_checkable
class MovingModel(DenoisingModel, Protocol):
    """A model whose prompt's parts may be moved, as `Prompt.settled` asks for."""

    def copy(self, source: KV, target: KV, length: int) -> None:
        """Make an empty cache hold the first `length` tokens of another."""

    def lift(self, kv: KV, start: int, end: int) -> Lifted:
        """Copy the keys and values of the tokens [start, end)."""

    def lay(self, lifted: Lifted, kv: KV) -> None:
        """Append a copy to `kv`, its keys turned to their new positions."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a step is sampled, as tensors on the device."""

    cold: Tensor
    """float32 [1]: one over the temperature."""
    bans: Tensor
    """float32 [n, V], of which each position has one line added to its logits."""
    banned: Tensor
    """int64 [B, R]: which."""
    uniforms: Tensor
    """float32 [B, R], random from 0 to 1: one decides what is drawn at a position."""


@runtime_checkable
class PredictingModel(DenoisingModel, Protocol):
    """A model whose step stays on the device and keeps no logits: for uniform noise."""

    def held(self, canvas: Tensor, kv: KV) -> Held:
        """The prompt, for a `canvas` [B, C] behind it."""

    def predict(
        self, canvas: Tensor, held: Held, rows: Tensor, expected: Tensor | None, asked: Asked
    ) -> tuple[Prediction, Tensor]:
        """As `denoise`, then sampled: what the model says of `rows`, each field [B, R].

        expected: what the last step returned, its self-conditioning [B, C, D]. None, or zeros: there
            was none.
        """
