"""`infill-lsp eval typing`: who types, what is counted of it, and the whole command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine import EngineConfig, InfillRequest
from infill_lsp.commands import CommandError
from infill_lsp.commands.evaluate_typing import run, summary
from infill_lsp.completer import Completer
from infill_lsp.evaluation.keystrokes import Source, Trace, type_file
from infill_lsp.evaluation.typist import Key, Typist, mistakes, typeable

SHOP = '''"""Prices, and what of them is tax."""
import math


class Shop:
    def __init__(self, tax):
        self.tax = tax
        self.prices = []

    def add(self, price):
        if price < 0:
            raise ValueError("a price below nothing")
        self.prices.append(price)

    def total(self):
        amount = sum(self.prices)

        return math.ceil(amount * (1 + self.tax))


def dearest(shop):
    return max(shop.prices)
'''
GO = "func main() {\n\tfor range 3 {\n\t\tprint(1)\n\t}\n}"


def without_mistakes(text: str) -> int:
    """A seed by which a text is typed without any."""
    return next(seed for seed in count() if not mistakes(text, seed))


def typed(text: str, seed: int) -> tuple[str, list[Key]]:
    """What stands in the end, and by which keys."""
    typist, document, keys = Typist(text, seed), "", []
    while (key := typist.next_key(document)) is not None:
        document = document[: len(document) - key.removed] + key.inserted
        keys.append(key)
        assert len(keys) < 20 * len(text) + 20, "goes round in circles"
    return document, keys


@given(st.text(alphabet="ab:{}\n\t ü𝛼", max_size=60), st.integers(0, 3))
def test_in_the_end_the_text_stands_there(raw: str, seed: int) -> None:
    text = typeable(raw)
    assert typed(text, seed)[0] == text


def test_the_editor_indents_and_the_typist_corrects_it() -> None:
    _, keys = typed(GO, seed=without_mistakes(GO))
    assert Key("\n\t") in keys, "after the brace that opens the function"
    assert keys.count(Key("", removed=1)) == 2, "before the braces that close"
    python = "def f():\n    if x:\n        y()\n\n    return z"
    _, keys = typed(python, seed=without_mistakes(python))
    assert Key("\n        ") in keys
    assert Key("\n        ", removed=8) in keys, "the blank line stays empty"
    assert Key("", removed=4) in keys
    assert len(keys) == len("def f():+if x:+y()++<return z")


def test_mistakes_are_the_seed_s_and_are_taken_back() -> None:
    text = typeable(SHOP)
    assert mistakes(text, 1) == mistakes(text, 1) != mistakes(text, 2)
    document, keys = typed(text, seed=1)
    assert document == text
    assert sum(not key.inserted for key in keys) > 10


def test_what_is_right_and_long_enough_is_accepted() -> None:
    typist = Typist("return value\nprint(value)", seed=0)
    assert typist.accepts("return ", "value\nprint(value)") == "value\nprint(value)"
    assert typist.accepts("return ", "value\nelse") == "value"
    assert typist.accepts("return ", "values") == ""
    assert typist.accepts("return va", "lue") == ""
    assert typist.accepts("retrun ", "value") == ""


Answers = Callable[[InfillRequest], list[str]]


def knowing(text: str) -> Answers:
    """A model that always says the rest of the text."""
    return lambda request: [text[len(request.prefix) :] if text.startswith(request.prefix) else ""]


@pytest.fixture
def typing() -> Iterator[Callable[[Answers, str], Trace]]:
    engines = []

    def run(answers: Answers, text: str = SHOP, seed: int = 1) -> Trace:
        fake = FakeEngine(answers, steps=1)
        engines.append(fake)

        async def session() -> Trace:
            await asyncio.wrap_future(fake.ready)
            completer = Completer()
            completer.engine = fake
            return await type_file(completer, Source("shop.py", "python", typeable(text)), seed)

        return asyncio.run(session())

    yield run
    for fake in engines:
        fake.close()


def test_a_perfect_model_saves_nearly_all(typing: Callable[..., Trace]) -> None:
    found = summary([typing(knowing(typeable(SHOP)))], seed=0)
    assert found["saved"] > 0.9
    assert found["keys"] < 0.1 * found["characters"]
    assert found["accepted"] + found["accepted_in_part"] > 0.5
    assert found["flicker"] == 0


def test_a_silent_model_saves_nothing(typing: Callable[..., Trace]) -> None:
    trace = typing(lambda request: [""])
    found = summary([trace], seed=0)
    assert (found["saved"], found["accepted"] or 0.0) == (0.0, 0.0)
    assert trace.keys == len(typed(typeable(SHOP), seed=1)[1]) == found["requests"]
    assert found["ms"]["engine"]["times"] + sum(
        not each.forwards for each in trace.requests
    ) == len(trace.requests)


def test_a_text_that_is_too_short_to_accept_is_typed_along_without_a_forward(
    typing: Callable[..., Trace],
) -> None:
    text = "one two three four five six"

    def next_word(request: InfillRequest) -> list[str]:
        rest = text[len(request.prefix) :] if text.startswith(request.prefix) else ""
        return [rest[:3]]

    found = summary([typing(next_word, text, seed=2)], seed=0)
    assert (found["saved"], found["flicker"]) == (0.0, 0.0)
    assert 0.5 < found["without_forward"] < 0.8, "two of three keys"


def test_a_text_that_changes_under_the_typist_s_hands_is_flicker(
    typing: Callable[..., Trace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a server that forgets what it has shown."""
    text, numbers = "value = " + "abcdefgh" * 4, count()

    def next_letter_and_noise(request: InfillRequest) -> list[str]:
        if not text.startswith(request.prefix):
            return [""]
        return [text[len(request.prefix) :][:1] + f"_{next(numbers)}"]

    steady = typing(next_letter_and_noise, text)
    monkeypatch.setattr("infill_lsp.suggestions.Recent.add", lambda *args, **kwargs: None)
    forgetful = typing(next_letter_and_noise, text)
    assert steady.flickers == 0
    assert forgetful.flickers > 0.5 * forgetful.keys


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    made = FakeEngine(knowing(typeable(SHOP)))
    monkeypatch.setattr(engine, "load", lambda config: made)
    yield made
    made.close()


def test_the_command_on_a_corpus_and_on_a_folder(
    corpus: Path, tmp_path: Path, fake: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "shop.py").write_text(SHOP)
    (folder / "short.py").write_text("x = 1\n")
    assert run(folder, EngineConfig(), seed=3, limit=5, deadline=900) == 0
    table, line = capsys.readouterr().out.rsplit("\n", 2)[:2]
    found = json.loads(line)
    assert "characters that came by acceptance" in table
    assert (found["files"], found["languages"]) == (1, ["python"])
    assert found["characters"] == len(typeable(SHOP))
    assert found["deadline_ms"] == 900
    assert found["command"].endswith("--seed 3 --deadline 900")
    assert set(found["ms"]) == {
        "sync",
        "context",
        "engine",
        "text",
        "answer",
        "answer without a forward",
    }
    with pytest.raises(CommandError, match="no file of 400 to"):
        run(corpus, EngineConfig())  # its files are too short
    with pytest.raises(CommandError, match="in rust"):
        run(folder, EngineConfig(), language="rust")
    with pytest.raises(CommandError, match="is not a folder"):
        run(folder / "shop.py", EngineConfig())
