"""A Llama-type model with two ways to read: a causal prompt, and a canvas after it.

Keeps the contract of `base.py`. It knows how keys and values are laid out; it knows no file format,
no quantization (linears may be swapped for others that look alike) and no sampling.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models.base import KV, Lifted, ModelSpec
from engine.models.layers import KEY_STEP, Layer, RMSNorm, Rotary, TiedEmbedding, turn

ENCODE_CHUNK = 256
"""Prompt tokens in one pass: few enough for a CPU's caches (512 are a third slower)."""
SCRATCH = 1024
"""Slots that a cache has for canvases behind a full prompt, before it must be copied to grow."""

Placed = tuple[int, int, int]
"""Of a canvas position: its turn, itself, the id there."""


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
    qkv_bias: bool = False
    """Whether queries, keys and values have a bias, as Qwen2's."""

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
        if self.qkv_bias:
            layer += (self.heads + 2 * self.kv_heads) * self.head_dim
        return self.layers * layer + self.spec.vocab_size * self.width + self.width


class BlockKV:
    """Keys and values of one prompt, and behind them a scratch area for the canvas.

    One pair of buffers a layer: keys [kv_heads, head_dim, capacity], one column a token, and values
    [kv_heads, capacity, head_dim]. The canvas's are written behind `length`, so that attention reads
    prompt and canvas as one view; `length` stays.

    The buffers have room for the whole context from the start. On a CPU that costs nothing: the
    operating system gives memory as it is written, and growing by copies would take more.
    """

    def __init__(self, config: BlockLlamaConfig, device: torch.device, dtype: torch.dtype) -> None:
        self.capacity = rounded(config.spec.context_length + SCRATCH, KEY_STEP)
        self.buffers = [
            (
                zeros((config.kv_heads, config.head_dim, self.capacity), device, dtype),
                zeros((config.kv_heads, self.capacity, config.head_dim), device, dtype),
            )
            for _ in range(config.layers)
        ]
        self.scratch: list[list[Placed]] = []
        """Per variant, by turn: what has its keys and values in the scratch area."""
        self.scratch_width = 0
        """Slots between the starts of two variants in the scratch area."""
        self._length = 0
        keys = self.buffers[0][0]
        self._bytes_per_token = 2 * config.layers * keys[:, :, 0].numel() * keys.element_size()

    @property
    def length(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        """Of the tokens held; the room behind them is not counted."""
        return self._length * self._bytes_per_token

    def truncate(self, length: int) -> None:
        if not 0 <= length <= self._length:
            raise ValueError(f"cannot roll back to {length}: the cache holds {self._length} tokens")
        self._length = length
        self.scratch = []

    def append(self, count: int) -> None:
        """Count `count` slots, whose keys and values have been written, to the prompt."""
        self._length += count
        self.scratch = []

    def share(self, variants: int) -> None:
        """Give `variants` variants what the only one has in the scratch area."""
        (line,) = self.scratch
        used = max(at for _, at, _ in line) + 1
        source = slice(self._length, self._length + used)
        for variant in range(1, variants):
            start = self._length + variant * self.scratch_width
            target = slice(start, start + used)
            for keys, values in self.buffers:
                keys[:, :, target] = keys[:, :, source]
                values[:, target] = values[:, source]
        self.scratch = [line] * variants

    def reserve(self, extra: int) -> None:
        """Make room for `extra` slots behind `length`: many variants behind a full prompt."""
        missing = rounded(self._length + extra, KEY_STEP) - self.capacity
        if missing <= 0:
            return
        self.capacity += missing
        self.buffers = [
            (functional.pad(keys, (0, missing)), functional.pad(values, (0, 0, 0, missing)))
            for keys, values in self.buffers
        ]


def zeros(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """As `torch.zeros`, but on a CPU no memory is taken until it is written (or read).

    Zeros, because what was never written is read all the same: it is masked, but NaN is not.
    """
    if device.type != "cpu":
        return torch.zeros(shape, device=device, dtype=dtype)
    # Not `calloc`: it hands out freed memory, which has to be cleared, or pages of 2 MB.
    pages = mmap.mmap(-1, math.prod(shape) * dtype.itemsize)
    return torch.frombuffer(pages, dtype=dtype).view(shape)


class BlockLlama(nn.Module):
    """See the module. Build it with `BlockLlama(config)`, fill it with `weights.load`."""

    def __init__(self, config: BlockLlamaConfig, cache_dtype: torch.dtype | None = None) -> None:
        """cache_dtype: of keys, values and attention. None: that of the weights."""
        super().__init__()
        self.config = config
        self.cache_dtype = cache_dtype
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
                config.qkv_bias,
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
        """Of activations."""
        return self.norm.weight.dtype

    def new_kv(self) -> BlockKV:
        return BlockKV(self.config, self.device, self.cache_dtype or self.dtype)

    @torch.inference_mode()
    def encode(self, ids: Tensor, kv: KV) -> None:
        """See `DenoisingModel.encode`. A prompt over the context length is a ValueError."""
        assert isinstance(kv, BlockKV)
        self._check_room(kv.length + ids.shape[0])
        for start in range(0, ids.shape[0], ENCODE_CHUNK):
            chunk = ids[start : start + ENCODE_CHUNK]
            count = chunk.shape[0]
            kv.reserve(count)
            slots = torch.arange(count, device=self.device)
            mask = _mask(slots[:, None] >= slots, kv) if count > 1 else None
            self._forward(chunk, kv.length + slots, slots, count, mask, kv)
            kv.append(count)

    def copy(self, source: KV, target: KV, length: int) -> None:
        """See `MovingModel.copy`."""
        self.lay(self.lift(source, 0, length), target)

    @torch.inference_mode()
    def lift(self, kv: KV, start: int, end: int) -> Lifted:
        """See `MovingModel.lift`."""
        assert isinstance(kv, BlockKV)
        layers = [
            (keys[:, :, start:end].clone(), values[:, start:end].clone())
            for keys, values in kv.buffers
        ]
        return Lifted(start, layers)

    @torch.inference_mode()
    def lay(self, lifted: Lifted, kv: KV) -> None:
        """See `MovingModel.lay`. Exact but for rounding: rotary positions add up."""
        assert isinstance(kv, BlockKV)
        count = lifted.layers[0][1].shape[1]
        self._check_room(kv.length + count)
        kv.reserve(count)
        place = slice(kv.length, kv.length + count)
        by = kv.length - lifted.start
        cosine, sine = self.rotary.at(torch.tensor([abs(by)], device=self.device), torch.float32)
        rotary = torch.stack((cosine, sine if by >= 0 else -sine))
        for (keys, values), (own_keys, own_values) in zip(kv.buffers, lifted.layers, strict=True):
            if by:
                heads = own_keys.permute(2, 0, 1).float()
                own_keys = turn(heads, rotary).permute(1, 2, 0)
            keys[:, :, place], values[:, place] = own_keys, own_values
        kv.append(count)

    @torch.inference_mode()
    def denoise(
        self, canvas: Tensor, kv: KV, rows: Tensor, signal: Tensor | None = None,
        turn: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """See `DenoisingModel.denoise`. This model takes no `signal`.

        Of the canvas only what the wanted rows see is computed, and of that not again what was there
        in the last call and has seen nothing new since. Variants that are all alike, as they are when
        they start, are computed once.
        """
        assert isinstance(kv, BlockKV)
        variants, width = canvas.shape
        self._check_room(kv.length + width)
        kv.reserve(variants * width)
        turn = torch.zeros_like(canvas) if turn is None else turn
        if variants > 1 and all(map(_alike, (canvas, rows, turn))):
            alone = self.denoise(canvas[:1], kv, rows[:1], None, turn[:1])
            kv.share(variants)
            return alone.expand(variants, -1, -1)
        sources = rows - 1 if self.spec.shift else rows
        stale, lines = _stale(canvas, turn, kv, sources)
        kv.scratch = []  # nothing counts as written if what follows fails

        # Rows of all variants in one sequence; slot b * width + i holds row i of variant b.
        slots = torch.tensor(stale, device=self.device)
        used = (variants - 1) * width + max(at for _, at, _ in lines[-1]) + 1
        hidden = self._forward(
            canvas.flatten()[slots],
            kv.length + slots % width,
            slots,
            used,
            self._canvas_mask(turn, slots, used, kv),
            kv,
        )
        kv.scratch, kv.scratch_width = lines, width
        wanted = sources + torch.arange(variants, device=self.device)[:, None] * width
        hidden = hidden[torch.searchsorted(slots, wanted.flatten())]
        logits: Tensor = self.embedding.logits(self.norm(hidden))
        return logits.view(*rows.shape, -1)

    def _canvas_mask(self, turn: Tensor, slots: Tensor, used: int, kv: BlockKV) -> Tensor | None:
        """Rows see their own variant's canvas, as far as its turns allow."""
        width, turn = turn.shape[1], turn.flatten()
        keys = torch.arange(used, device=self.device)
        seen = (slots[:, None] // width == keys // width) & (turn[slots][:, None] >= turn[keys])
        return None if used <= width and bool(seen.all()) else _mask(seen, kv)

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
        count = ids.shape[0]
        if self.device.type == "cpu" and (missing := row_bucket(count) - count):
            # The last row several times over, in its own slot.
            ids, positions, slots = (repeat_last(each, missing) for each in (ids, positions, slots))
            mask = None if mask is None else repeat_last(mask, missing)
        hidden: Tensor = self.embedding(ids)
        rotary = self.rotary.at(positions, self.dtype)
        target = kv.length + slots
        seen = kv.length + used
        for layer, (keys, values) in zip(self.layers, kv.buffers, strict=True):

            def remember(
                own_keys: Tensor, own_values: Tensor, keys: Tensor = keys, values: Tensor = values
            ) -> tuple[Tensor, Tensor, int]:
                keys.index_copy_(2, target, own_keys.transpose(1, 2).to(keys.dtype))
                values.index_copy_(1, target, own_values.to(values.dtype))
                return keys, values, seen

            hidden = layer(hidden, rotary, mask, remember)
        return hidden[:count]

    def _check_room(self, tokens: int) -> None:
        if tokens > self.spec.context_length:
            raise ValueError(f"{tokens} tokens do not fit a context of {self.spec.context_length}")


def rounded(count: int, step: int) -> int:
    """Up to a multiple of `step`."""
    return -(-count // step) * step


def row_bucket(count: int) -> int:
    """The number of rows to compute instead of `count`: 1, 2, 3, 4, 6, 8, 12, 16, 24 …

    Few different shapes, for the reason given at `layers.KEY_BLOCK`; an eighth more rows on average.
    """
    power = 1 << max(0, count - 1).bit_length()  # the next power of two
    return power * 3 // 4 if count <= power * 3 // 4 and power >= 4 else power


def repeat_last(rows: Tensor, times: int) -> Tensor:
    return torch.cat((rows, rows[-1:].expand(times, *rows.shape[1:])))


def _alike(rows: Tensor) -> bool:
    return torch.equal(rows, rows[:1].expand_as(rows))


def _mask(seen: Tensor, kv: BlockKV) -> Tensor:
    """Added to scores: 0 where `seen`, else -inf."""
    mask = torch.zeros(seen.shape, device=seen.device, dtype=kv.buffers[0][0].dtype)
    return mask.masked_fill_(~seen, float("-inf"))


def _stale(
    canvas: Tensor, turn: Tensor, kv: BlockKV, sources: Tensor
) -> tuple[list[int], list[list[Placed]]]:
    """What must be computed of a canvas [B, C], as places in the scratch area, ascending; and for each
    variant what is in the scratch area afterwards."""
    variants, width = canvas.shape
    held = kv.scratch
    if len(held) != variants or kv.scratch_width != width:
        held = [[]] * variants
    stale, lines = list[int](), list[list[Placed]]()
    for b, (ids, turns, wanted) in enumerate(
        zip(canvas.tolist(), turn.tolist(), sources.tolist(), strict=True)
    ):
        last = max(turns[at] for at in wanted)
        line = sorted((turns[at], at, ids[at]) for at in range(width) if turns[at] <= last)
        valid = _common_start(line, held[b])
        while 0 < valid < max(len(line), len(held[b])) and _same_turn(line, held[b], valid):
            valid -= 1  # those of one turn see each other
        # A wanted row is computed even when its key is valid: its hidden state was not kept.
        rows = {at for _, at, _ in line[valid:]} | set(wanted)
        stale += [b * width + at for at in sorted(rows)]
        lines.append(line)
    return stale, lines


def _same_turn(line: list[Placed], held: list[Placed], index: int) -> bool:
    """Whether one of the lists goes on at `index` with the turn that it had before it."""
    return any(index < len(each) and each[index][0] == line[index - 1][0] for each in (line, held))


def _common_start(left: Sequence[Placed], right: Sequence[Placed]) -> int:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))
