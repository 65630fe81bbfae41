"""A folder that transformers wrote, filled through the engine's front. The text is garbage, but what
holds for every text is held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gemma_checkpoint
import pytest

import engine
from engine import Draft, EngineConfig, EngineError, InfillEngine, InfillRequest, Snippet, Stop
from engine.models import load_model
from engine.models.base import DenoisingModel
from engine.prompt import PromptPieces
from engine.tokenizer import Tokenizer

PREFIX = "def f(ed):\n    return de"
SUFFIX = "\n\nf(1)\n"


@pytest.fixture(scope="module")
def config(gemma_folder: Path) -> EngineConfig:
    return EngineConfig(model=str(gemma_folder), device="cpu", max_steps=6)


@pytest.fixture(scope="module")
def running(config: EngineConfig) -> Iterator[InfillEngine]:
    running = engine.load(config)
    yield running
    running.close()


@pytest.fixture(scope="module")
def loaded(config: EngineConfig) -> tuple[DenoisingModel, Tokenizer]:
    return load_model(config)[:2]


def fill(running: InfillEngine, request: InfillRequest) -> list[Draft]:
    drafts: list[Draft] = []
    job = running.submit(request, drafts.append)
    return [*drafts[:-1], job.result.result(timeout=60)]


def test_the_front_says_what_was_loaded(running: InfillEngine) -> None:
    info = running.ready.result(timeout=60)
    assert (info.model, info.order, info.context_tokens) == ("diffusion_gemma", "any", 1024)
    assert info.parameters > 500_000
    assert info.dtype in ("bfloat16", "float32")


@pytest.mark.parametrize("between", [(), ("de", "f(")])
def test_anchors_hold_in_every_draft(running: InfillEngine, between: tuple[str, ...]) -> None:
    request = InfillRequest(PREFIX, SUFFIX, between=between, max_tokens=12, variants=2)
    drafts = fill(running, request)
    assert drafts[-1].stop is not Stop.RUNNING
    for draft in drafts:
        for each in draft.fills:
            anchors = [token.text for token in each.tokens if not token.free]
            # The last token of the prefix that is not taken back, then what is between.
            assert "".join(anchors[1:]) == "".join(between)
            assert len(each.texts) == len(between) + 1


def test_the_same_seed_gives_the_same_fill(running: InfillEngine) -> None:
    one, two, other = (
        fill(running, InfillRequest(PREFIX, SUFFIX, max_tokens=12, seed=seed))[-1].fills[0].text
        for seed in (1, 1, 2)
    )
    assert one == two != other


def test_a_line_stays_a_line(running: InfillEngine) -> None:
    request = InfillRequest(PREFIX, SUFFIX, max_tokens=40, single_line=True)
    assert "\n" not in fill(running, request)[-1].fills[0].text


def test_the_prompt_is_a_dialogue_whose_answer_begins_with_the_prefix(
    loaded: tuple[DenoisingModel, Tokenizer],
) -> None:
    model, tokenizer = loaded
    request = InfillRequest(PREFIX, SUFFIX, snippets=(Snippet("ref", "x.py"),))
    prompt = PromptPieces(request, tokenizer, model.spec, 900).cut(900)
    ids = [*prompt.ids, *prompt.left]
    bos, turn, end = 2, 4, 5
    assert ids[:2] == [bos, turn]
    assert [ids.count(mark) for mark in (bos, turn, end)] == [1, 2, 1]
    answer = ids.index(turn, 2)
    asked, answered = (tokenizer.decode(part) for part in (ids[:answer], ids[answer:]))
    assert asked.startswith("user\n")
    assert asked.endswith("ref\n\n" + SUFFIX + "\n")
    assert answered + prompt.heal.decode() == "model\n" + PREFIX


def test_only_text_and_its_end_can_be_said(loaded: tuple[DenoisingModel, Tokenizer]) -> None:
    model, tokenizer = loaded
    spec = model.spec
    said = set(range(spec.vocab_size)) - set(spec.forbidden_ids)
    assert set(gemma_checkpoint.EOS_IDS) <= said
    assert all(tokenizer.token_bytes(id_) for id_ in said - set(gemma_checkpoint.EOS_IDS))
    assert len(said) == 2 + sum(map(bool, map(tokenizer.token_bytes, range(tokenizer.vocab_size))))


def test_a_form_only_this_model_has_is_refused_for_the_bundled_one() -> None:
    with pytest.raises(EngineError, match=r"DiffusionGemma only.*auto or none"):
        load_model(EngineConfig(device="cpu", quantization="fp8"))


@pytest.mark.parametrize("form", ["int8", "fp8", "int4"])
def test_every_form_can_be_asked_for(gemma_folder: Path, form: engine.config.Quantization) -> None:
    config = EngineConfig(model=str(gemma_folder), device="cpu", quantization=form)
    *_, info = load_model(config)
    assert info.dtype == form
    assert info.weights_bytes < 1.3 * info.parameters
