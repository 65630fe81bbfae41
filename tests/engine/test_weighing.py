"""Fills are weighed by what they and the text after them are worth together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.config import EngineConfig
from engine.engine import Engine
from engine.models.base import FimTokens
from engine.models.block_llama import BlockLlama
from engine.request import Cancelled, InfillRequest
from engine.tokenizer import Tokenizer
from engine.weighing import FOLLOWING, ROWS_AT_ONCE, log_probabilities

PREFIX, SUFFIX = "def area(width):\n    return ", "\n\nprint(area(3))\n"


def plain(model: BlockLlama, ids: list[int], known: int) -> float:
    """Nats of all but the first `known` ids, token by token, each encoded with all before it."""
    total = 0.0
    for end in range(known, len(ids)):
        kv = model.new_kv()
        model.encode(torch.tensor(ids[: end - 1]), kv)
        canvas, turn = torch.tensor([ids[end - 1 : end + 1]]), torch.tensor([[0, 1]])
        logits = model.denoise(canvas, kv, torch.tensor([[1]]), None, turn)
        total += float(logits[0, 0].log_softmax(-1)[ids[end]])
    return total


def test_a_weight_is_the_sum_of_the_plain_log_probabilities(tiny_causal_model: BlockLlama) -> None:
    prompt, left = [5, 6, 7, 8], [9, 10]
    continuations = [[1, 2, 3], [4], [3, 2, 1, 0, 9], [40] * 30]
    kv = tiny_causal_model.new_kv()
    tiny_causal_model.encode(torch.tensor(prompt), kv)
    weights = list(log_probabilities(tiny_causal_model, kv, left, continuations))
    expected = [
        plain(tiny_causal_model, [*prompt, *left, *ids], len(prompt + left))
        for ids in continuations
    ]
    assert weights == pytest.approx(expected, abs=1e-3)
    assert kv.length == len(prompt)


def test_many_are_weighed_in_several_forwards(tiny_causal_model: BlockLlama) -> None:
    kv = tiny_causal_model.new_kv()
    tiny_causal_model.encode(torch.tensor([5, 6]), kv)
    many = [[each, each + 1] * (10 + each) for each in range(20)]
    assert ROWS_AT_ONCE < 20 * 58
    together = list(log_probabilities(tiny_causal_model, kv, [7], many))
    alone = [next(log_probabilities(tiny_causal_model, kv, [7], [each])) for each in many]
    assert together == pytest.approx(alone, abs=1e-3)


@pytest.fixture
def engine(tiny_causal_model: Any, byte_tokenizer: Tokenizer) -> Engine:
    return Engine(tiny_causal_model, byte_tokenizer, EngineConfig())


def last(engine: Engine, request: InfillRequest, **rest: Any) -> Any:
    *_, final = engine.infill(request, **rest)
    return final


def request(**changes: Any) -> InfillRequest:
    given = {"max_tokens": 5, "variants": 6, "shown": lambda text: text[:3]}
    return InfillRequest(PREFIX, SUFFIX, **(given | changes))


def test_the_fill_that_goes_best_with_what_follows_comes_first(
    engine: Engine, tiny_causal_model: BlockLlama, byte_tokenizer: Tokenizer
) -> None:
    final = last(engine, request())
    spec = tiny_causal_model.spec
    prompt = [spec.eos_ids[0] if spec.bos_id is None else spec.bos_id]
    prompt += byte_tokenizer.encode(PREFIX)
    weights = []
    for fill in final.fills:
        ids = byte_tokenizer.encode(fill.text[:3])
        whole = [*prompt, *ids, *byte_tokenizer.encode(SUFFIX)[:FOLLOWING]]
        weights.append(plain(tiny_causal_model, whole, len(prompt)) if ids else -math.inf)
    assert len(set(weights)) > 2
    assert weights == sorted(weights, reverse=True)
    assert final.stats.ms["weigh"] > 0


def test_what_would_not_be_shown_comes_last(engine: Engine) -> None:
    texts = [fill.text for fill in last(engine, request(shown=None)).fills]
    unwanted = texts[0]
    shown = last(engine, request(shown=lambda text: None if text == unwanted else text))
    assert shown.fills[-1].text == unwanted
    assert {fill.text for fill in shown.fills} == set(texts)


@pytest.mark.parametrize("enough", [1, 2, None])
def test_what_falls_far_behind_is_given_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, enough: int | None
) -> None:
    """Two texts, at most, are complete after three letters; who is less likely then goes no further."""
    monkeypatch.setattr("engine.weighing.HOPELESS", 0.0)
    ends: list[str] = []

    def is_complete(text: str) -> bool:  # asked of one variant after another, step by step
        if len(text) >= 3 and text not in ends and len(ends) < 2:
            ends.append(text)
        return text in ends

    asked = request(max_tokens=40, shown=lambda text: text, is_complete=is_complete)
    whole = last(engine, asked)
    ends.clear()
    final = last(engine, replace(asked, enough=enough))
    if enough is None:
        assert [fill.text for fill in final.fills] == [fill.text for fill in whole.fills]
        return
    assert len(ends) >= enough
    assert enough <= len(final.fills) < len(whole.fills)
    assert final.stats.steps < whole.stats.steps
    assert {fill.text for fill in final.fills} <= {fill.text for fill in whole.fills}


@pytest.mark.parametrize("changes", [{"variants": 1}, {"shown": None}])
def test_nothing_is_weighed_where_there_is_no_choice(
    engine: Engine, changes: dict[str, Any]
) -> None:
    assert "weigh" not in last(engine, request(**changes)).stats.ms


def test_without_time_the_surest_comes_first(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: Any) -> Any:
        for weight in range(6):
            engine_time.append(10.0)
            yield float(weight)

    engine_time = [0.0]
    monkeypatch.setattr("engine.engine.time.perf_counter", lambda: sum(engine_time))
    monkeypatch.setattr("engine.weighing.log_probabilities", slow)
    final = last(engine, request(deadline=5.0))
    confidences = [fill.confidence for fill in final.fills]
    assert confidences == sorted(confidences, reverse=True)
    assert "weigh" not in final.stats.ms


def test_a_cancelled_request_is_not_weighed_to_its_end(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def noticed(*arguments: Any) -> Any:
        begun.append(True)
        yield 0.0

    monkeypatch.setattr("engine.weighing.log_probabilities", noticed)
    with pytest.raises(Cancelled):
        last(engine, request(), interrupted=lambda: bool(begun))


FIM = FimTokens(prefix=260, suffix=261, middle=262)


@pytest.fixture
def middle_model(tiny_causal_model: BlockLlama) -> BlockLlama:
    """The same weights under the specification of a model that fills in the middle."""
    spec = replace(
        tiny_causal_model.spec, bos_id=None, fim=FIM, eos_ids=(258, 260, 261), forbidden_ids=()
    )
    model = BlockLlama(replace(tiny_causal_model.config, spec=spec)).eval()
    model.load_state_dict(tiny_causal_model.state_dict(), assign=True)
    return model


@pytest.mark.parametrize("suffix", [SUFFIX, ") + 1\n"], ids=["line ends", "line goes on"])
def test_a_model_that_knows_what_follows_is_asked_for_the_fills_end(
    middle_model: Any, byte_tokenizer: Tokenizer, suffix: str
) -> None:
    """Not for what follows, which stands in the prompt: for any token that ends the fill, a line break
    among them where the line ends with the gap."""
    engine = Engine(middle_model, byte_tokenizer, EngineConfig())
    asked = replace(request(), suffix=suffix)
    final = last(engine, asked)
    above, line = PREFIX.rsplit("\n", 1)
    assert line == "    return "
    prompt = [FIM.prefix, *byte_tokenizer.encode(above + "\n")]
    prompt += [FIM.suffix, *byte_tokenizer.encode(suffix), FIM.middle, *byte_tokenizer.encode(line)]
    ends = [*middle_model.spec.eos_ids]
    ends += byte_tokenizer.newline_ids if suffix.startswith("\n") else ()
    weights = []
    for fill in final.fills:
        ids = byte_tokenizer.encode(fill.text[:3])
        if not ids:
            weights.append(-math.inf)
            continue
        ended = [plain(middle_model, [*prompt, *ids, end], len(prompt + ids)) for end in ends]
        end = float(torch.tensor(ended).logsumexp(0))
        weights.append(plain(middle_model, prompt + ids, len(prompt)) + end)
    assert len(set(weights)) > 1
    assert weights == sorted(weights, reverse=True)


def test_any_end_counts_where_the_first_stands(tiny_causal_model: BlockLlama) -> None:
    kv = tiny_causal_model.new_kv()
    tiny_causal_model.encode(torch.tensor([5, 6]), kv)
    fills, ends = [[1, 2, 258], [3, 258]], [258, 10, 13]
    weights = list(log_probabilities(tiny_causal_model, kv, [7], fills, ends))
    for fill, weight in zip(fills, weights, strict=True):
        each = [plain(tiny_causal_model, [5, 6, 7, *fill[:-1], end], 3) for end in ends]
        assert weight == pytest.approx(float(torch.tensor(each).logsumexp(0)), abs=1e-3)
