"""Where a fill ends, for a model that goes on with what stands behind the gap; and how it begins anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.config import EngineConfig
from engine.engine import BEGINNINGS, Engine
from engine.models.base import FimTokens, ModelSpec
from engine.models.block_llama import BlockLlama
from engine.request import InfillRequest, Stop

MARKS = FimTokens(prefix=260, suffix=261, middle=262)
END = 258
PREFIX, SUFFIX = "def f(x):\n", "    return y\n\n\nprint(f(1))\n"


def fim(spec: ModelSpec) -> ModelSpec:
    return replace(spec, fim=MARKS, forbidden_ids=tuple(range(259, spec.vocab_size)))


class Script:
    """A model that writes the likeliest of some texts behind the middle mark, whatever it was shown; at its
    end, and where it is led off it, it copies what stands after the gap, up to the end of that."""

    def __init__(self, model: BlockLlama, texts: list[str], copies: str) -> None:
        self._model, self._texts, self._copies = model, texts, copies
        self.spec = fim(model.spec)
        self.forwards = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, ids: Tensor, kv: Any) -> None:
        kv.script = [*getattr(kv, "script", [])[: kv.length], *ids.tolist()]
        self._model.encode(ids, kv)

    def denoise(
        self, canvas: Tensor, kv: Any, rows: Tensor, signal: Any = None, turn: Any = None
    ) -> Tensor:
        self.forwards += 1
        logits = torch.zeros(*rows.shape, self.spec.vocab_size)
        for line, places in enumerate(rows.tolist()):
            for at, place in enumerate(places):
                known = [*kv.script[: kv.length], *canvas[line, :place].tolist()]
                written = bytes(known[known.index(MARKS.middle) + 1 :]).decode()
                for strength, id_ in self._next(written):
                    logits[line, at, id_] = strength
        return logits

    def _next(self, written: str) -> list[tuple[float, int]]:
        said = [
            (12.0 - rank, ord(text[len(written)]))
            for rank, text in enumerate(self._texts)
            if text.startswith(written) and text != written
        ]
        for start in range(len(written) + 1):  # goes on as what follows does, after a line
            tail = written[start:]
            if (not start or written[start - 1] == "\n") and self._copies.startswith(tail):
                rest = self._copies[len(tail) :]
                said.append((9.0, ord(rest[0]) if rest else END))
                break
        return said[::-1] or [(9.0, END)]


@pytest.fixture
def fill(
    tiny_causal_model: BlockLlama, byte_tokenizer: Any
) -> Callable[..., tuple[str, Stop, Script]]:
    def fill(
        texts: list[str], *, shown: Any = lambda text: text, suffix: str = SUFFIX, **more: Any
    ) -> tuple[str, Stop, Script]:
        script = Script(tiny_causal_model, texts, suffix)
        engine = Engine(script, byte_tokenizer, EngineConfig(background_prompt=False))  # type: ignore[arg-type]
        request = InfillRequest(PREFIX, suffix, shown=shown, **more)
        *_, last = engine.infill(request)
        return last.fills[0].text, last.stop, script

    return fill


def test_a_fill_ends_where_what_follows_would(fill: Any) -> None:
    text, _, _ = fill(["    y = x + 1\n    if y > 2:\n        y = 0\n"])
    assert text == "    y = x + 1\n    if y > 2:\n        y = 0\n"
    text, _, _ = fill(["    y = x\n    return z\n\n\n# Test the function\nprint(f(2))"])
    assert text == "    y = x\n"


def test_of_what_may_not_be_shown_a_shorter_end_is_taken(fill: Any) -> None:
    wrong = "    y = x\n    y += 1\n    return y\n"
    text, _, _ = fill([wrong], shown=lambda text: None if "+=" in text else text)
    assert text == "    y = x\n"


def test_who_asks_for_one_line_gets_its_line(fill: Any) -> None:
    text, _, script = fill(["    y = x\n    return z\n"], single_line=True)
    assert text == "    y = x"
    assert script.forwards <= len("    y = x\n") + 1


def test_where_nothing_follows_the_model_has_the_last_word(fill: Any) -> None:
    text, stop, _ = fill(["    y = x\n    return y\n"], suffix="\n")
    assert (text, stop) == ("    y = x\n    return y\n\n", Stop.STABLE)


def test_where_nothing_can_be_shown_another_beginning_is_tried(fill: Any) -> None:
    texts = ["# nothing to do\n", "    y = x\n"]
    text, _, _ = fill(texts, shown=lambda text: None if text.startswith("#") else text)
    assert text == "    y = x\n"


def test_not_more_than_a_few_beginnings_are_tried(fill: Any) -> None:
    text, _, _ = fill(["a\n", "b\n", "c\n", "d\n", "e\n"], shown=lambda text: None)
    assert text[0] == "abcde"[BEGINNINGS - 1]


def test_who_does_not_say_what_can_be_shown_gets_what_came(fill: Any) -> None:
    text, _, _ = fill(["    y = x\n    return z\n"], shown=None)
    assert text == "    y = x\n    return z\n" + SUFFIX
