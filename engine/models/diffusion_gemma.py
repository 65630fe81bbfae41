"""DiffusionGemma: one stack of weights, read as a causal encoder and as a bidirectional decoder.

The encoder appends the prompt's keys and values to the cache; the decoder refines a canvas beside
them and writes nothing. Keeps the contract of `base.py`; knows no file format, no quantization and
no sampling. Text only: the checkpoint's vision tower is not built.

After the reference in transformers (`models/diffusion_gemma`), against which the tests hold it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models import kernels
from engine.models.base import KV, Asked, ModelSpec
from engine.models.gemma_layers import AttentionShape, Embedding, Layer, SelfConditioning
from engine.models.kernels import Held, Prediction
from engine.models.layers import RMSNorm, Rotary

ENCODE_CHUNK = 1024
"""Prompt tokens in one pass. Each pass reads the weights of nearly all experts."""
KV_STEP = 1024
"""Tokens by which a cache grows."""
LOGIT_ROWS = 512
"""Rows whose logits are held at once: each takes half a megabyte, and as much for probabilities."""

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
    """Keys and values of one prompt: for each layer one buffer [2, capacity, kv_heads, head_dim].

    Sliding layers keep all of the prompt too, though they read only its end: what a ring has
    overwritten could not be rolled back.
    """

    def __init__(self, config: DiffusionGemmaConfig, device: torch.device, dtype: torch.dtype):
        self._buffers = [
            torch.empty(2, 0, shape.kv_heads, shape.head_dim, device=device, dtype=dtype)
            for shape in config.shapes
        ]
        self._addresses = self._find()
        self._capacity = 0
        self._length = 0

    @property
    def length(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        """Of the tokens held; the room behind them is not counted."""
        return sum(buffer[:, : self._length].nbytes for buffer in self._buffers)

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
        for index, buffer in enumerate(self._buffers):
            self._buffers[index] = functional.pad(buffer, (0, 0, 0, 0, 0, more))
        self._addresses = self._find()

    def append(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Write what one layer made of the rows behind `length`, which stays until `advance`. Needs
        room that was reserved."""
        end = self._length + keys.shape[0]
        buffer = self._buffers[layer]
        buffer[0, self._length : end] = keys
        buffer[1, self._length : end] = values

    def advance(self, count: int) -> None:
        """Count `count` tokens, whose keys and values were appended in all layers."""
        self._length += count

    def held(self, rows: int) -> Held:
        """What attention reads, for so many rows behind the prompt."""
        device = self._addresses.device
        # From pinned memory, or the host would wait for all that the device still has to do.
        pin = device.type == "cuda"
        counts = torch.tensor([self._length, rows], dtype=torch.int32, pin_memory=pin)
        return Held(self._buffers, self._addresses, counts.to(device, non_blocking=pin))

    def _find(self) -> Tensor:
        if self._buffers[0].is_meta:
            return torch.empty(len(self._buffers), 2, dtype=torch.int64, device="meta")
        places = [[part.data_ptr() for part in buffer] for buffer in self._buffers]
        return torch.tensor(places, device=self._buffers[0].device)


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
            held = kv.held(count)
            rotary = self._rotary(held, count)
            rows = self._embedded(chunk)
            for index, (kind, layer) in enumerate(zip(self.config.kinds, self.layers, strict=True)):
                attend = partial(self._remember, kv, held, index)
                rows = layer(rows, rotary[kind], attend, layer.encoder_scale)
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
        embedded, expected = self._embedded(canvas), None
        if signal is not None:
            shares = signal.softmax(-1, dtype=torch.float32).to(self.dtype)
            expected = self._expected(embedded, rows, self._means(shares.flatten(0, 1)))
        hidden = self._refined(embedded, rows, self.held(canvas, kv), expected)
        logits = kernels.product(hidden, self.embedding.matrix).float()
        capped: Tensor = self.config.softcap * torch.tanh(logits / self.config.softcap)
        return capped.view(*rows.shape, -1)

    def held(self, canvas: Tensor, kv: KV) -> Held:
        """The prompt as `predict` takes it. One over the context length is a ValueError."""
        assert isinstance(kv, GemmaKV)
        self._check_room(kv.length + canvas.shape[1])
        return kv.held(canvas.shape[1])

    @torch.inference_mode()
    def predict(
        self, canvas: Tensor, held: Held, rows: Tensor, expected: Tensor | None, asked: Asked
    ) -> tuple[Prediction, Tensor]:
        """See `PredictingModel.predict`. Waits for nothing, and makes nothing of the size of a whole
        batch's logits."""
        embedded = self._embedded(canvas)
        hidden = self._refined(embedded, rows, held, expected)
        parts, means = [], []
        for start in range(0, hidden.shape[0], LOGIT_ROWS):
            some = slice(start, start + LOGIT_ROWS)
            logits = kernels.product(hidden[some], self.embedding.matrix)
            part, shares = kernels.predict(
                logits, self.config.softcap, asked.cold, asked.bans,
                asked.banned.flatten()[some], asked.uniforms.flatten()[some],
            )  # fmt: skip
            parts.append(part)
            means.append(self._means(shares))
        prediction = Prediction(
            *(
                torch.cat([getattr(part, field.name) for part in parts]).view(rows.shape)
                for field in fields(Prediction)
            )
        )
        return prediction, self._expected(embedded, rows, torch.cat(means))

    def _refined(
        self, embedded: Tensor, rows: Tensor, held: Held, expected: Tensor | None
    ) -> Tensor:
        """[B R, D], normed, at `rows` [B, R] of a canvas whose embedded ids are [B, C, D]."""
        variants, width = embedded.shape[:2]
        rotary = self._rotary(held, width)
        rotary = {kind: table.repeat(1, variants, 1, 1) for kind, table in rotary.items()}
        thought = None if expected is None else expected.flatten(0, 1)
        hidden = self.self_conditioning(embedded.flatten(0, 1), thought)
        for index, (kind, layer) in enumerate(zip(self.config.kinds, self.layers, strict=True)):
            attend = partial(self._beside, held, index, variants)
            hidden = layer(hidden, rotary[kind], attend, layer.decoder_scale)
        wanted = rows + torch.arange(variants, device=rows.device)[:, None] * width
        normed: Tensor = self.norm(hidden[wanted.flatten()])
        return normed

    def _remember(
        self, kv: GemmaKV, held: Held, layer: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        """An `Attend` for rows of the prompt."""
        kv.append(layer, keys, values)
        window = self.config.shapes[layer].window
        return kernels.attend(
            queries, keys, values, held, layer, variants=1, window=window, causal=True
        )

    def _beside(
        self, held: Held, layer: int, variants: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        """An `Attend` for rows of canvases."""
        window = self.config.shapes[layer].window
        return kernels.attend(
            queries, keys, values, held, layer, variants=variants, window=window, causal=False
        )

    def _embedded(self, ids: Tensor) -> Tensor:
        """[*, D] of ids [*]."""
        scaled: Tensor = self.embedding(ids) * self._embedding_scale
        return scaled

    @property
    def _embedding_scale(self) -> float:
        # Rounded to the type of the weights, as it was in training.
        return float(torch.tensor(self.config.width**0.5).to(self.dtype))

    def _means(self, shares: Tensor) -> Tensor:
        """[Q, D]: the mean embedding under probabilities [Q, V]."""
        return kernels.mean(shares, self.embedding.matrix) * self._embedding_scale

    def _expected(self, embedded: Tensor, rows: Tensor, means: Tensor) -> Tensor:
        """[B, C, D]: `means` [B R, D] at `rows`; at the anchors, which are certain, their own
        embedding."""
        where = rows[:, :, None].expand(-1, -1, embedded.shape[-1])
        return embedded.scatter(1, where, means.view(where.shape))

    def _rotary(self, held: Held, count: int) -> dict[Kind, Tensor]:
        """For `count` rows behind the prompt, of which those behind the context's end are padding."""
        positions = held.counts[0] + torch.arange(count, device=held.counts.device)
        positions = positions.clamp(max=self.spec.context_length - 1)
        return {
            "sliding": self.sliding_rotary.at(positions, self.dtype),
            "full": self.full_rotary.at(positions, self.dtype),
        }

    def _rotary_of(self, shape: AttentionShape) -> Rotary:
        turning = int(shape.rotary_share * shape.head_dim // 2)
        return Rotary(self.spec.context_length, shape.head_dim, shape.rotary_base, turning)

    def _check_room(self, tokens: int) -> None:
        if tokens > self.spec.context_length:
            raise ValueError(f"{tokens} tokens do not fit a context of {self.spec.context_length}")
