"""What a model foresees, against the same numbers computed the slow way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from engine.config import EngineConfig
from engine.models.block_llama import BlockLlama
from engine.request import InfillRequest, Snippet
from engine.train import surprise
from engine.train.surprise import Reader


def test_it_is_the_loss_of_the_denoised_row_one_token_at_a_time(
    tiny_causal_model: BlockLlama, byte_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's own calls: encode all but the last token, denoise one row."""
    info = SimpleNamespace(model="tiny")
    monkeypatch.setattr(
        surprise, "load_model", lambda config: (tiny_causal_model, byte_tokenizer, info)
    )
    model, prefix, text = tiny_causal_model, "def f(w):\n    return ", "w * 2"
    tokens = Reader(EngineConfig()).read(InfillRequest(prefix), text, 512)
    assert "".join(each.text for each in tokens).strip() == text
    ids = [model.spec.bos_id, *byte_tokenizer.encode(prefix + text)]
    for at, each in zip(range(len(ids) - len(tokens), len(ids)), tokens, strict=True):
        kv = model.new_kv()
        with torch.inference_mode():
            model.encode(torch.tensor(ids[: at - 1]), kv)
            canvas, turn = torch.tensor([[ids[at - 1], 0]]), torch.tensor([[0, 1]])
            logits = model.denoise(canvas, kv, torch.tensor([[1]]), None, turn)
        row = logits[0, 0].log_softmax(-1)
        assert each.nats == pytest.approx(-float(row[ids[at]]), abs=1e-4)
        assert each.expected == bool(row.argmax() == ids[at])


def test_a_snippet_that_says_it_makes_it_less_of_a_surprise() -> None:
    reader = Reader(EngineConfig(quantization="none", threads=1))
    request = InfillRequest("total = harbour_", path="a.py")
    helped = InfillRequest(
        "total = harbour_", path="a.py", snippets=(Snippet("def harbour_quixotic(): ..."),)
    )
    alone, with_it = (
        sum(each.nats for each in reader.read(asked, "quixotic()", 512))
        for asked in (request, helped)
    )
    assert with_it < alone - 1
