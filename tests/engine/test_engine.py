"""One request from text to text, on tiny random models of every kind."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.canvas import build, side_by_side, turns
from engine.config import CANVAS_LIMIT, EngineConfig
from engine.engine import Engine
from engine.length import LENGTHS
from engine.request import Cancelled, Draft, EngineError, InfillRequest, Stop

KINDS = ("tiny_mask_model", "tiny_uniform_model", "tiny_causal_model")
PREFIX = "def f(a, b):\n    return a"
SUFFIX = "\n\nprint(f(1, 2))\n"


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, byte_tokenizer: Any) -> Engine:
    return Engine(request.getfixturevalue(request.param), byte_tokenizer, EngineConfig())


@pytest.fixture
def causal(tiny_causal_model: Any, byte_tokenizer: Any) -> Engine:
    return Engine(tiny_causal_model, byte_tokenizer, EngineConfig())


class Letters:
    """A model that only says letters, and never that a text ends. Notes the longest sequence."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.spec, self.device, self.new_kv = model.spec, model.device, model.new_kv
        self.longest = 0

    def encode(self, ids: Tensor, kv: Any) -> None:
        self.longest = max(self.longest, kv.length + len(ids))
        self._model.encode(ids, kv)

    def denoise(self, canvas: Tensor, kv: Any, rows: Tensor, *rest: Tensor | None) -> Tensor:
        self.longest = max(self.longest, kv.length + canvas.shape[1])
        logits = self._model.denoise(canvas, kv, rows, *rest)
        letters = torch.full((logits.shape[-1],), -torch.inf)
        letters[ord("a") : ord("z") + 1] = 0.0
        return logits + letters


@pytest.fixture
def endless(tiny_causal_model: Any, byte_tokenizer: Any) -> Engine:
    return Engine(Letters(tiny_causal_model), byte_tokenizer, EngineConfig())


def last(drafts: Any) -> Draft:
    *rest, final = drafts
    assert not any(draft.final for draft in rest)
    assert final.final
    return final


def test_every_step_is_a_draft_and_the_last_is_final(engine: Engine) -> None:
    drafts = list(engine.infill(InfillRequest(PREFIX, SUFFIX, max_tokens=12)))
    final = last(drafts)
    assert final.stats.steps == final.step >= 1
    assert final.stats.forwards >= final.stats.steps
    assert 0 < final.fills[0].confidence <= 1
    assert final.stats.canvas_tokens <= CANVAS_LIMIT
    assert set(final.stats.ms) == {
        "queue", "prompt", "encode", "denoise", "forward", "total",
    }  # fmt: skip


def test_the_same_seed_gives_the_same_fills_and_another_seed_others(engine: Engine) -> None:
    def texts(seed: int) -> list[str]:
        request = InfillRequest(PREFIX, SUFFIX, max_tokens=12, variants=3, seed=seed)
        return [fill.text for fill in last(engine.infill(request)).fills]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


def test_memory_that_nobody_wrote_is_never_read(
    tiny_causal_model: Any, byte_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variants of a causal canvas leave rows unwritten; once these held NaN, now and then."""

    def poisoned(self: Tensor, *shape: Any, **options: Any) -> Tensor:
        return torch.full(shape[0], torch.nan, dtype=self.dtype)

    monkeypatch.setattr(Tensor, "new_empty", poisoned)
    engine = Engine(tiny_causal_model, byte_tokenizer, EngineConfig())
    fills = last(engine.infill(InfillRequest(PREFIX, SUFFIX, max_tokens=8, variants=3))).fills
    assert all(fill.confidence > 0 for fill in fills)
    assert len({fill.text for fill in fills}) > 1


def test_variants_are_best_first(engine: Engine) -> None:
    fills = last(engine.infill(InfillRequest(PREFIX, SUFFIX, max_tokens=8, variants=4))).fills
    assert len(fills) == 4
    confidences = [fill.confidence for fill in fills]
    assert confidences == sorted(confidences, reverse=True)


def test_a_variant_does_not_depend_on_how_many_there_are(causal: Engine) -> None:
    alone = last(causal.infill(InfillRequest(PREFIX, SUFFIX, max_tokens=10))).fills[0]
    several = last(causal.infill(InfillRequest(PREFIX, SUFFIX, max_tokens=10, variants=3))).fills
    assert alone.text in [fill.text for fill in several]  # the greedy one


def test_several_gaps_are_filled_in_one_canvas(engine: Engine) -> None:
    request = InfillRequest("a = ", "\n", between=("\nb = ", "\nc = "), max_tokens=6)
    final = last(engine.infill(request))
    assert len(final.fills[0].texts) == 3
    anchored = "".join(token.text for token in final.fills[0].tokens if not token.free)
    assert "\nb = \nc = " in anchored


def test_of_several_gaps_each_has_its_own_rule_for_lines(engine: Engine) -> None:
    later = ""
    for seed in range(8):
        request = InfillRequest(
            "a = ",
            "\n",
            between=("\nb = ",),
            single_lines=(True, False),
            max_tokens=40,
            variants=3,
            seed=seed,
        )
        fills = last(engine.infill(request)).fills
        assert all("\n" not in fill.texts[0] for fill in fills)
        later += "".join(fill.texts[1] for fill in fills)
    assert "\n" in later, "random models say every letter sooner or later"


def test_a_line_that_ends_closes_its_gap_and_no_other(
    tiny_causal_model: Any, byte_tokenizer: Any
) -> None:
    class Lines(Letters):
        """Ends the line behind a `q`."""

        def denoise(self, canvas: Tensor, kv: Any, rows: Tensor, *rest: Any) -> Tensor:
            logits = super().denoise(canvas, kv, rows, *rest)
            behind = canvas.gather(1, rows - 1) == ord("q")
            logits[behind] = -torch.inf
            logits[..., ord("\n")] = torch.where(behind, 0.0, logits[..., ord("\n")])
            return logits

    engine = Engine(Lines(tiny_causal_model), byte_tokenizer, EngineConfig())
    request = InfillRequest("a = q", "\n", between=("\nb = ",), single_line=True, max_tokens=8)
    first, second = last(engine.infill(request)).fills[0].texts
    assert "\n" not in first + second
    assert len(first) < 8
    assert second


def test_gaps_too_far_apart_for_one_canvas_are_refused_with_the_cure(engine: Engine) -> None:
    with pytest.raises(EngineError, match="one after another"):
        last(engine.infill(InfillRequest("a", "b", between=("x" * 300,))))


def test_a_fill_longer_than_a_canvas_goes_on_block_by_block(endless: Engine) -> None:
    final = last(endless.infill(InfillRequest("ab", SUFFIX, max_tokens=600)))
    whole = final.fills[0].text
    assert final.stop is Stop.LENGTH
    assert len(whole) == 599  # one token heals the cut
    assert final.stats.steps <= 600  # guesses save some
    # The second and third block say what a fill that begins in their middle says.
    for start in (300, 550):
        again = last(endless.infill(InfillRequest("ab" + whole[:start], SUFFIX, max_tokens=40)))
        assert again.fills[0].text == whole[start : start + 39]


def test_a_fill_ends_before_the_first_doubtful_token(engine: Engine) -> None:
    request = InfillRequest(PREFIX + "\n", SUFFIX, max_tokens=12)
    whole = last(engine.infill(request)).fills[0]
    sure = [token.confidence for token in whole.tokens if token.free and token.text]
    least = sorted(sure)[len(sure) // 2]
    cut = last(engine.infill(replace(request, least_confidence=least))).fills[0]
    first = next(index for index, confidence in enumerate(sure) if confidence < least)
    assert whole.text.startswith(cut.text)
    assert len(cut.text) <= first < len(sure)
    nothing = last(engine.infill(replace(request, least_confidence=1.1))).fills[0]
    assert nothing.text == ""


def test_max_tokens_is_kept(engine: Engine) -> None:
    for most in (1, 7, 40):
        final = last(engine.infill(InfillRequest(PREFIX + "\n", SUFFIX, max_tokens=most)))
        assert len(final.fills[0].text.encode()) <= most


def test_a_single_line_has_no_line_break(engine: Engine) -> None:
    for seed in range(5):
        request = InfillRequest(PREFIX, SUFFIX, single_line=True, variants=3, seed=seed)
        assert all("\n" not in fill.text for fill in last(engine.infill(request)).fills)


def test_is_complete_ends_it_early(causal: Engine) -> None:
    seen: list[str] = []

    def is_complete(text: str) -> bool:
        seen.append(text)
        return len(text) >= 3

    final = last(causal.infill(InfillRequest(PREFIX, SUFFIX, is_complete=is_complete)))
    assert final.stop is Stop.COMPLETE
    assert final.fills[0].text.startswith(seen[-2])
    assert 3 <= len(final.fills[0].text) <= 6


def test_at_the_deadline_the_best_draft_so_far_is_the_answer(engine: Engine) -> None:
    final = last(engine.infill(InfillRequest(PREFIX, SUFFIX, max_tokens=100, deadline=0.0)))
    assert final.stop is Stop.DEADLINE
    assert final.stats.steps == 1


def test_interruption_is_noticed_before_another_forward(engine: Engine) -> None:
    asked = 0

    def interrupted() -> bool:
        nonlocal asked
        asked += 1
        return asked > 4

    drafts = engine.infill(InfillRequest(PREFIX, SUFFIX, max_tokens=100), interrupted=interrupted)
    with pytest.raises(Cancelled):
        list(drafts)
    assert asked == 5


def test_a_keystroke_encodes_only_what_is_new(causal: Engine) -> None:
    prefix = "value = 1\n" * 100
    last(causal.infill(InfillRequest(prefix, max_tokens=4)))
    final = last(causal.infill(InfillRequest(prefix + "x", max_tokens=4)))
    assert final.stats.prompt_tokens - final.stats.reused_tokens <= 2


@pytest.mark.parametrize("single_line", [True, False])
def test_an_earlier_answer_saves_forwards_and_changes_nothing(
    endless: Engine, monkeypatch: pytest.MonkeyPatch, single_line: bool
) -> None:
    """Right, partly right, or of another place."""
    request = InfillRequest(PREFIX, SUFFIX, max_tokens=40, single_line=single_line)
    with monkeypatch.context() as patch:
        patch.setattr(endless, "_guess_for", lambda *_: None)
        plain = last(endless.infill(request))
    text = plain.fills[0].text
    former = [text, text[:7] + "z" + text[8:], "nothing like it"]
    fills = [last(endless.infill(replace(request, former=(each,)))) for each in former]
    assert [fill.fills[0].text for fill in fills] == [text] * 3
    assert [fill.stop for fill in fills] == [plain.stop] * 3
    forwards = [fill.stats.forwards for fill in fills]
    assert forwards[0] <= forwards[1] <= forwards[2] <= plain.stats.forwards
    assert forwards[0] < plain.stats.forwards / 2


def test_a_long_fill_leaves_the_prompt_as_it_was(causal: Engine) -> None:
    request = InfillRequest(PREFIX, SUFFIX, max_tokens=300)
    first = last(causal.infill(request))
    second = last(causal.infill(request))
    assert second.stats.reused_tokens == second.stats.prompt_tokens
    assert second.fills[0].text == first.fills[0].text


@pytest.mark.parametrize("prefix", ["a\n", "word " * 300])
def test_prompt_and_canvases_stay_within_the_budget(
    tiny_causal_model: Any, byte_tokenizer: Any, prefix: str
) -> None:
    model = Letters(tiny_causal_model)
    engine = Engine(model, byte_tokenizer, EngineConfig(budget=512))
    final = last(engine.infill(InfillRequest(prefix, SUFFIX, max_tokens=2000)))
    assert final.stop is Stop.LENGTH
    assert 400 < model.longest <= 512


def test_a_cold_long_prompt_is_cut_to_the_deadline_and_grows_afterwards(causal: Engine) -> None:
    causal._prompts.rate = 1000.0
    prefix = "".join(f"line_{i} = {i}\n" for i in range(120))
    request = InfillRequest(prefix, max_tokens=2, deadline=0.5)  # half of it: 250 tokens
    hurried = last(causal.infill(request))
    assert hurried.stats.prompt_tokens <= 260
    assert hurried.stats.dropped_chars > 800
    assert causal.wants_growth
    while causal.wants_growth:
        causal.grow(interrupted=lambda: True)  # a chunk at a time
    later = last(causal.infill(request))
    assert later.stats.reused_tokens == later.stats.prompt_tokens > 1000
    assert later.stats.dropped_chars == 0
    assert not causal.wants_growth


def test_what_was_healed_is_not_in_the_fill(causal: Engine) -> None:
    # ByteTokenizer heals the last byte: the first slot must say it again, the text must not.
    final = last(causal.infill(InfillRequest("return retur", max_tokens=5)))
    first_slot = next(token for token in final.fills[0].tokens if token.free)
    assert first_slot.text == "r"
    assert len(final.fills[0].text.encode()) <= 4


def test_what_a_fill_begins_with_is_read_with_the_prompt_and_said_again(engine: Engine) -> None:
    before = "def f(a):\n    "
    asked: list[str] = []
    final = last(
        engine.infill(
            InfillRequest(
                before,
                "\n    return total\n",
                begins="total",
                max_tokens=6,
                variants=2,
                is_complete=lambda text: bool(asked.append(text)),
            )
        )
    )
    assert len(asked) > 1
    assert all(text.startswith("total") for text in [*asked, *(fill.text for fill in final.fills)])
    alone = last(engine.infill(InfillRequest(before + "total", max_tokens=6)))
    assert final.stats.prompt_tokens == alone.stats.prompt_tokens + 1  # which heals one byte
    assert not any("total" in token.text for token in final.fills[0].tokens if token.free)


def test_warm_up_measures_the_rate_of_encoding(causal: Engine) -> None:
    begin = time.perf_counter()
    causal.warm_up()
    assert 0 < causal._prompts.rate < 1e9
    assert time.perf_counter() - begin < 10


@pytest.fixture(params=["tiny_mask_model", "tiny_uniform_model"])
def endure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model of any order that can neither delete slots nor end a gap."""
    model = request.getfixturevalue(request.param)
    monkeypatch.setattr(model, "spec", replace(model.spec, delete_id=None))
    return model


def test_of_lengths_side_by_side_each_is_as_by_itself(endure: Any) -> None:
    """Nothing sees the padding behind the shorter ones."""
    kv, generator = endure.new_kv(), torch.Generator().manual_seed(0)
    endure.encode(torch.arange(30), kv)
    canvases = [build([3, 4], [size], [], [5], endure.spec, generator) for size in (4, 8, 20)]
    ids, rows, turn = side_by_side(canvases, endure.spec)
    together = endure.denoise(ids, kv, rows, None, turn)
    for canvas, line in zip(canvases, together, strict=True):
        own, slots = canvas.ids[None], canvas.slots
        alone = endure.denoise(own, kv, slots[None], None, turns(own, canvas, endure.spec))
        torch.testing.assert_close(line[: len(slots)], alone[0], atol=1e-4, rtol=0)


def test_lengths_are_tried_in_one_forward(
    endure: Any, byte_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, batches = endure.denoise, []

    def noted(ids: Tensor, *rest: Any) -> Tensor:
        batches.append(ids.shape[0])
        return whole(ids, *rest)

    monkeypatch.setattr(endure, "denoise", noted)
    engine = Engine(endure, byte_tokenizer, EngineConfig())
    last(engine.infill(InfillRequest(PREFIX, SUFFIX)))
    assert batches[:2] == [len(LENGTHS), 1]
