"""How well a model foresees a text in a gap, token by token, read from left to right.

For comparing what stands before the gap: the same text after another prompt. Says nothing about how
a canvas would be filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch.nn.functional import scaled_dot_product_attention

from engine.config import EngineConfig
from engine.models import load_model
from engine.models.block_llama import BlockLlama
from engine.prompt import PromptPieces
from engine.request import EngineError, InfillRequest
from engine.train.forward import hidden_states

LONGEST = 128
"""Tokens of the text that are read."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """One token of the text."""

    text: str
    nats: float
    """Minus the logarithm of its probability, all before it known."""
    expected: bool
    """The model itself would have said it."""


class Reader:
    """A model that reads. EngineError where it is not of the bundled model's kind."""

    def __init__(self, config: EngineConfig) -> None:
        model, self._tokenizer, self.info = load_model(config)
        if not isinstance(model, BlockLlama):
            raise EngineError(
                f"{self.info.model} cannot be read from left to right. Use the bundled model, or a "
                "folder with one of its kind."
            )
        self._model = model

    @torch.inference_mode()
    def read(self, request: InfillRequest, text: str, room: int) -> list[Surprise]:
        """The tokens of `text` in the request's gap, after the request's prompt of `room` tokens.

        The first token may begin with the prefix's last letters (see `engine.prompt.heal`).
        """
        pieces = PromptPieces(request, self._tokenizer, self._model.spec, room)
        prompt = pieces.cut(room)
        said = self._tokenizer.encode(prompt.heal.decode() + text)[:LONGEST]
        if not said:
            return []
        ids = torch.tensor([*prompt.ids, *prompt.left, *said], device=self._model.device)
        positions = torch.arange(len(ids), device=self._model.device)
        attend = partial(scaled_dot_product_attention, is_causal=True)
        hidden = hidden_states(self._model, ids[None], positions[None], attend)[0]
        rows = self._model.embedding.logits(hidden[-len(said) - 1 : -1]).float().log_softmax(-1)
        nats = -rows.gather(1, ids[-len(said) :, None])[:, 0]
        best = rows.argmax(-1) == ids[-len(said) :]
        return [
            Surprise(self._tokenizer.decode([token]), float(loss), bool(first))
            for token, loss, first in zip(said, nats, best, strict=True)
        ]
