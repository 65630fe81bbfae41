"""DiffusionGemma: one stack of weights, read as a causal encoder and as a bidirectional decoder.

The encoder appends the prompt's keys and values to the cache; the decoder refines a canvas beside
them and writes nothing. Keeps the contract of `base.py`; knows no file format, no quantization and
no sampling. Text only: the checkpoint's vision tower is not built.

After the reference in transformers (`models/diffusion_gemma`), against which the tests hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models.base import KV, ModelSpec
from engine.models.gemma_layers import AttentionShape, Embedding, Layer, SelfConditioning
from engine.models.layers import RMSNorm, Rotary

ENCODE_CHUNK = 1024
"""Prompt tokens in one pass. Each pass reads the weights of nearly all experts."""
KV_STEP = 1024
"""Tokens by which a cache grows."""

Kind = Literal["sliding", "full"]


@dataclass(frozen=True, slots=True)
class DiffusionGemmaConfig:
    """The shape of one model. Counts and widths; see `gemma_layers.py` for what they mean."""

    kinds: tuple[Kind, ...]
    """One for each layer."""
    sliding: AttentionShape
    full: AttentionShape
    width: int
    heads: int
    inner: int
    experts: int
    experts_chosen: int
    expert_inner: int
    norm_epsilon: float
    softcap: float
    """Logits stay within this of 0."""
    spec: ModelSpec

    def __post_init__(self) -> None:
        for shape in (self.sliding, self.full):
            if self.heads % shape.kv_heads:
                raise ValueError(
                    f"{self.heads} heads cannot share {shape.kv_heads} key-value heads"
                )
        if not 0 < self.experts_chosen <= self.experts:
            raise ValueError(f"{self.experts_chosen} of {self.experts} experts cannot be chosen")

    def shape(self, kind: Kind) -> AttentionShape:
        return self.sliding if kind == "sliding" else self.full

    @property
    def shapes(self) -> tuple[AttentionShape, ...]:
        """One for each layer."""
        return tuple(map(self.shape, self.kinds))

    @property
    def parameters(self) -> int:
        """Numbers in the model; the tied embedding counts once."""
        width, layers = self.width, 0
        for shape in self.shapes:
            made = 2 * self.heads + shape.kv_heads * (1 if shape.keys_are_values else 2)
            layers += made * shape.head_dim * width + 2 * shape.head_dim
            layers += 3 * width * (self.inner + self.experts * self.expert_inner)  # feed-forwards
            layers += self.experts * (width + 1) + width  # router
            layers += 7 * width + 2  # norms, and the layer's two scales
        conditioning = width + 3 * width * self.inner
        return layers + conditioning + self.spec.vocab_size * width + width


class GemmaKV:
    """Keys and values of one prompt: for each layer one buffer [2, kv_heads, capacity, head_dim].

    Sliding layers keep all of the prompt too, though they read only its end: what a ring has
    overwritten could not be rolled back.
    """

    def __init__(self, config: DiffusionGemmaConfig, device: torch.device, dtype: torch.dtype):
        self._shapes = config.shapes
        self._buffers = [
            torch.empty(2, shape.kv_heads, 0, shape.head_dim, device=device, dtype=dtype)
            for shape in self._shapes
        ]
        self._capacity = 0
        self._length = 0

    @property
    def length(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        """Of the tokens held; the room behind them is not counted."""
        return sum(held[:, :, : self._length].nbytes for held in self._buffers)

    def truncate(self, length: int) -> None:
        if not 0 <= length <= self._length:
            raise ValueError(f"cannot roll back to {length}: the cache holds {self._length} tokens")
        self._length = length

    def reserve(self, extra: int) -> None:
        """Make room for `extra` tokens behind `length`, by copying one layer after another."""
        missing = self._length + extra - self._capacity
        if missing <= 0:
            return
        more = -(-missing // KV_STEP) * KV_STEP
        self._capacity += more
        for index, held in enumerate(self._buffers):
            self._buffers[index] = functional.pad(held, (0, 0, 0, more))

    def first_seen(self, shape: AttentionShape) -> int:
        """The first token of the prompt that a row right behind it sees."""
        return 0 if shape.window is None else max(0, self._length - shape.window + 1)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """A `Remember`: write what one layer made of the rows behind `length`, which stays until
        `advance`. Needs room that was reserved."""
        held, first = self._buffers[layer], self.first_seen(self._shapes[layer])
        end = self._length + keys.shape[0]
        held[:, :, self._length : end] = torch.stack((keys, values)).transpose(1, 2)
        return held[:1, :, first:end], held[1:, :, first:end]

    def advance(self, count: int) -> None:
        """Count `count` tokens, whose keys and values were appended in all layers."""
        self._length += count

    def beside(
        self, layer: int, keys: Tensor, values: Tensor, variants: int
    ) -> tuple[Tensor, Tensor]:
        """A `Remember` that writes nothing: the rows are of `variants` canvases, each of which sees
        the prompt and itself. All rows see the same part of the prompt, wherever they stand."""
        held, first = self._buffers[layer], self.first_seen(self._shapes[layer])
        prompt = held[:, None, :, first : self._length].expand(-1, variants, -1, -1, -1)
        own = torch.stack((keys, values)).view(2, variants, -1, *keys.shape[1:]).transpose(2, 3)
        both = torch.cat((prompt, own), 3)
        return both[0], both[1]


class DiffusionGemma(nn.Module):
    """See the module. Build it with `DiffusionGemma(config)`, fill it with `gemma_weights.load`."""

    def __init__(self, config: DiffusionGemmaConfig) -> None:
        super().__init__()
        self.config = config
        self.spec = config.spec
        self.embedding = Embedding(config.spec.vocab_size, config.width)
        self.self_conditioning = SelfConditioning(config.width, config.inner, config.norm_epsilon)
        self.layers = nn.ModuleList(
            Layer(
                config.width,
                config.heads,
                shape,
                config.inner,
                config.experts,
                config.experts_chosen,
                config.expert_inner,
                config.norm_epsilon,
            )
            for shape in config.shapes
        )
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        self.sliding_rotary = self._rotary_of(config.sliding)
        self.full_rotary = self._rotary_of(config.full)

    @property
    def device(self) -> torch.device:
        return self.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of activations, keys and values."""
        return self.norm.weight.dtype

    def new_kv(self) -> GemmaKV:
        return GemmaKV(self.config, self.device, self.dtype)

    @torch.inference_mode()
    def encode(self, ids: Tensor, kv: KV) -> None:
        """See `DenoisingModel.encode`. A prompt over the context length is a ValueError."""
        assert isinstance(kv, GemmaKV)
        self._check_room(kv.length + ids.shape[0])
        for chunk in torch.split(ids, ENCODE_CHUNK):
            count = chunk.shape[0]
            kv.reserve(count)
            rotary = self._rotary(kv.length + torch.arange(count, device=self.device))
            masks = {kind: self._causal(kind, count, kv) for kind in ("sliding", "full")}
            rows = self._embedded(chunk)
            for index, (kind, layer) in enumerate(zip(self.config.kinds, self.layers, strict=True)):
                remember = partial(kv.append, index)
                rows = layer(rows, rotary[kind], masks[kind], remember, layer.encoder_scale)
            kv.advance(count)

    @torch.inference_mode()
    def denoise(
        self, canvas: Tensor, kv: KV, rows: Tensor, signal: Tensor | None = None,
        turn: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """See `DenoisingModel.denoise`.

        signal: [B, R, V], the last step's logits of the same `rows`, divided by its temperature. All
            other positions count as anchors, of which the model was sure.
        """
        assert isinstance(kv, GemmaKV)
        variants, width = canvas.shape
        self._check_room(kv.length + width)
        positions = kv.length + torch.arange(width, device=self.device)
        rotary = self._rotary(positions.repeat(variants))
        embedded = self._embedded(canvas)  # [B, C, D]
        expected = None if signal is None else self._expected(embedded, rows, signal).flatten(0, 1)
        hidden = self.self_conditioning(embedded.flatten(0, 1), expected)
        for index, (kind, layer) in enumerate(zip(self.config.kinds, self.layers, strict=True)):
            remember = partial(kv.beside, index, variants=variants)
            hidden = layer(hidden, rotary[kind], None, remember, layer.decoder_scale)
        wanted = rows + torch.arange(variants, device=self.device)[:, None] * width
        logits = self.embedding.logits(self.norm(hidden[wanted.flatten()]))
        capped: Tensor = self.config.softcap * torch.tanh(logits / self.config.softcap)
        return capped.view(*rows.shape, -1)

    def _embedded(self, ids: Tensor) -> Tensor:
        """[*, D] of ids [*]."""
        scaled: Tensor = self.embedding(ids) * self._embedding_scale
        return scaled

    @property
    def _embedding_scale(self) -> float:
        # Rounded to the type of the weights, as it was in training.
        return float(torch.tensor(self.config.width**0.5).to(self.dtype))

    def _expected(self, embedded: Tensor, rows: Tensor, signal: Tensor) -> Tensor:
        """[B, C, D]: the mean embedding under the last step's logits at `rows`; at the anchors,
        which are certain, their own."""
        shares = signal.softmax(-1, dtype=torch.float32).flatten(0, 1)
        means = self.embedding.mean(shares) * self._embedding_scale
        where = rows[:, :, None].expand(-1, -1, embedded.shape[-1])
        return embedded.scatter(1, where, means.view(where.shape))

    def _rotary(self, positions: Tensor) -> dict[Kind, Tensor]:
        return {
            "sliding": self.sliding_rotary.at(positions, self.dtype),
            "full": self.full_rotary.at(positions, self.dtype),
        }

    def _rotary_of(self, shape: AttentionShape) -> Rotary:
        turning = int(shape.rotary_share * shape.head_dim // 2)
        return Rotary(self.spec.context_length, shape.head_dim, shape.rotary_base, turning)

    def _causal(self, kind: Kind, count: int, kv: GemmaKV) -> Tensor | None:
        """[count, K] bool: what `count` rows behind the prompt see of it and of one another."""
        if count == 1:
            return None
        window, first = self.config.shape(kind).window, kv.first_seen(self.config.shape(kind))
        rows = torch.arange(kv.length, kv.length + count, device=self.device)[:, None]
        keys = torch.arange(first, kv.length + count, device=self.device)
        seen = keys <= rows
        return seen if window is None else seen & (keys > rows - window)

    def _check_room(self, tokens: int) -> None:
        if tokens > self.spec.context_length:
            raise ValueError(f"{tokens} tokens do not fit a context of {self.spec.context_length}")
