"""A Llama-type model with two ways to read: a causal prompt, and a canvas after it.

Keeps the contract of `base.py`. It knows how keys and values are laid out; it knows no file format,
no quantization (linears may be swapped for others that look alike) and no sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.models.base import KV, ModelSpec
from engine.models.layers import Layer, RMSNorm, Rotary, TiedEmbedding

ENCODE_CHUNK = 512
"""Prompt tokens in one pass: bounds the memory of activations and masks."""
CAPACITY_STEP = 1024
"""The cache's room is a multiple of this many tokens."""


@dataclass(frozen=True, slots=True)
class BlockLlamaConfig:
    """The shape of one model. Counts and widths; see `layers.py` for what they mean."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    rotary_base: float
    norm_epsilon: float
    spec: ModelSpec

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads cannot share {self.kv_heads} key-value heads")
        if self.head_dim % 2:
            raise ValueError(f"rotary positions need an even head_dim, not {self.head_dim}")

    @property
    def parameters(self) -> int:
        """Numbers in the model; the tied embedding counts once."""
        attention = (2 * self.heads + 2 * self.kv_heads) * self.head_dim * self.width
        layer = attention + 3 * self.width * self.inner + 2 * self.width
        return self.layers * layer + self.spec.vocab_size * self.width + self.width


class BlockKV:
    """Keys and values of one prompt, and behind them a scratch area for the canvas.

    One buffer a layer, [2, kv_heads, capacity, head_dim]. The canvas's keys and values are written
    behind `length`, so that attention reads prompt and canvas as one view; `length` stays.
    """

    def __init__(self, config: BlockLlamaConfig, device: torch.device, dtype: torch.dtype) -> None:
        shape = (2, config.kv_heads, 0, config.head_dim)
        self.buffers = [
            torch.empty(shape, device=device, dtype=dtype) for _ in range(config.layers)
        ]
        self.scratch: list[list[int]] = []
        """For a causal canvas: per variant the ids whose keys and values are in the scratch area."""
        self.scratch_width = 0
        """Slots between the starts of two variants in the scratch area."""
        self._length = 0

    @property
    def length(self) -> int:
        return self._length

    @property
    def capacity(self) -> int:
        return self.buffers[0].shape[2]

    @property
    def nbytes(self) -> int:
        return sum(buffer.nbytes for buffer in self.buffers)

    def truncate(self, length: int) -> None:
        if not 0 <= length <= self._length:
            raise ValueError(f"cannot roll back to {length}: the cache holds {self._length} tokens")
        self._length = length
        self.scratch = []

    def append(self, count: int) -> None:
        """Count `count` slots, whose keys and values have been written, to the prompt."""
        self._length += count
        self.scratch = []

    def reserve(self, extra: int) -> None:
        """Make room for `extra` slots behind `length`; what is held is kept."""
        needed = self._length + extra
        if needed <= self.capacity:
            return
        # Half as much again, so that growing token by token copies each token only a few times.
        capacity = max(needed, self.capacity * 3 // 2)
        capacity = -(-capacity // CAPACITY_STEP) * CAPACITY_STEP
        held = self._length + (0 if not self.scratch else self.scratch_width * len(self.scratch))
        for index, old in enumerate(self.buffers):
            # Zeros: slots that are masked out still take part in the product, and 0 * NaN is NaN.
            new = old.new_zeros((*old.shape[:2], capacity, old.shape[3]))
            new[:, :, :held] = old[:, :, :held]
            self.buffers[index] = new


class BlockLlama(nn.Module):
    """See the module. Build it with `BlockLlama(config)`, fill it with `weights.load`."""

    def __init__(self, config: BlockLlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = config.spec
        self.embedding = TiedEmbedding(config.spec.vocab_size, config.width)
        self.layers = nn.ModuleList(
            Layer(
                config.width,
                config.heads,
                config.kv_heads,
                config.head_dim,
                config.inner,
                config.norm_epsilon,
            )
            for _ in range(config.layers)
        )
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        self.rotary = Rotary(config.spec.context_length, config.head_dim, config.rotary_base)

    @property
    def device(self) -> torch.device:
        return self.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of activations, keys and values."""
        return self.norm.weight.dtype

    def new_kv(self) -> BlockKV:
        return BlockKV(self.config, self.device, self.dtype)

    @torch.inference_mode()
    def encode(self, ids: Tensor, kv: KV) -> None:
        """See `DenoisingModel.encode`. A prompt over the context length is a ValueError."""
        assert isinstance(kv, BlockKV)
        self._check_room(kv.length + ids.shape[0])
        for chunk in torch.split(ids, ENCODE_CHUNK):
            count = chunk.shape[0]
            kv.reserve(count)
            slots = torch.arange(count, device=self.device)
            mask = self._mask(kv.length, slots[:, None] >= slots) if count > 1 else None
            self._forward(chunk, kv.length + slots, slots, count, mask, kv)
            kv.append(count)

    @torch.inference_mode()
    def denoise(self, canvas: Tensor, kv: KV, rows: Tensor, signal: Tensor | None = None) -> Tensor:
        """See `DenoisingModel.denoise`. This model takes no `signal`.

        A causal canvas is computed only up to the last wanted row, and rows that were there in the
        last call are not computed again.
        """
        assert isinstance(kv, BlockKV)
        variants, width = canvas.shape
        self._check_room(kv.length + width)
        sources = rows - 1 if self.spec.shift else rows
        if self.spec.order == "any":
            kv.scratch = []
            spans = [(0, width)] * variants
        else:
            spans = self._stale(canvas, kv, sources)
        kv.reserve(variants * width)

        # Rows of all variants in one sequence; slot b * width + i holds row i of variant b.
        slots = torch.cat(
            [
                torch.arange(b * width + start, b * width + end, device=self.device)
                for b, (start, end) in enumerate(spans)
            ]
        )
        used = (variants - 1) * width + spans[-1][1]
        hidden = self._forward(
            canvas.flatten()[slots],
            kv.length + slots % width,
            slots,
            used,
            self._canvas_mask(kv.length, slots, width, used),
            kv,
        )
        wanted = sources + torch.arange(variants, device=self.device)[:, None] * width
        hidden = hidden[torch.searchsorted(slots, wanted.flatten())]
        logits: Tensor = self.embedding.logits(self.norm(hidden))
        return logits.view(*rows.shape, -1)

    def _stale(self, canvas: Tensor, kv: BlockKV, sources: Tensor) -> list[tuple[int, int]]:
        """Per variant the rows [start, end) of a causal canvas that must be computed."""
        width = canvas.shape[1]
        if len(kv.scratch) != canvas.shape[0] or kv.scratch_width != width:
            kv.scratch = [[] for _ in canvas]
            kv.scratch_width = width
        spans = []
        lowest, highest = sources.amin(1).tolist(), sources.amax(1).tolist()
        for b, line in enumerate(canvas.tolist()):
            valid = _common_start(line, kv.scratch[b])
            # A wanted row is computed even when its key is valid: its hidden state was not kept.
            start, end = min(valid, lowest[b]), highest[b] + 1
            kv.scratch[b] = line[: max(valid, end)]
            spans.append((start, end))
        return spans

    def _canvas_mask(self, length: int, slots: Tensor, width: int, used: int) -> Tensor | None:
        """Rows see the prompt and their own variant's canvas; a causal canvas only backwards."""
        causal = self.spec.order == "left_to_right"
        one_line = used <= width
        if one_line and (not causal or slots.shape[0] == 1):
            return None
        keys = torch.arange(used, device=self.device)
        seen = slots[:, None] // width == keys // width
        if causal:
            seen &= slots[:, None] >= keys
        return self._mask(length, seen)

    def _mask(self, length: int, seen: Tensor) -> Tensor:
        """Added to scores: 0 for all `length` prompt tokens and where `seen` [Q, K], else -inf."""
        mask = torch.zeros((seen.shape[0], length + seen.shape[1]), device=self.device)
        mask[:, length:].masked_fill_(~seen, float("-inf"))
        return mask.to(self.dtype)

    def _forward(
        self,
        ids: Tensor,
        positions: Tensor,
        slots: Tensor,
        used: int,
        mask: Tensor | None,
        kv: BlockKV,
    ) -> Tensor:
        """Run token rows through all layers: hidden states [Q, D] before the last norm.

        Their keys and values go to `slots` [Q] behind `kv.length`; `used` slots there are read.
        """
        hidden: Tensor = self.embedding(ids)
        rotary = self.rotary.at(positions, self.dtype)
        target = kv.length + slots
        end = kv.length + used
        for layer, buffer in zip(self.layers, kv.buffers, strict=True):

            def remember(
                keys: Tensor, values: Tensor, buffer: Tensor = buffer
            ) -> tuple[Tensor, Tensor]:
                buffer[0].index_copy_(1, target, keys)
                buffer[1].index_copy_(1, target, values)
                return buffer[0, :, :end], buffer[1, :, :end]

            hidden = layer(hidden, rotary, mask, remember)
        return hidden

    def _check_room(self, tokens: int) -> None:
        if tokens > self.spec.context_length:
            raise ValueError(f"{tokens} tokens do not fit a context of {self.spec.context_length}")


def _common_start(left: Sequence[int], right: Sequence[int]) -> int:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))
