"""GGUF models, with a stand-in for llama-cpp-python."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from infill_lsp.evaluation import peers
from infill_lsp.evaluation.case import Case, EvaluationError

MARKS = {
    "tokenizer.ggml.fim_pre_token_id": "1001",
    "tokenizer.ggml.fim_suf_token_id": "1002",
    "tokenizer.ggml.middle_token_id": "1003",  # the older name
}


class Llama:
    """A byte is a token."""

    metadata: dict[str, str] = MARKS
    reply = "a + b"
    asked: list[dict[str, Any]]

    def __init__(self, path: str, **options: Any) -> None:
        if Path(path).read_bytes() != b"GGUF":
            raise ValueError("Failed to load model from file")
        Llama.asked = [options]

    def tokenize(self, text: bytes, *, add_bos: bool, special: bool) -> list[int]:
        assert not add_bos
        assert not special
        return list(text)

    def create_completion(self, prompt: list[int], **options: Any) -> dict[str, Any]:
        Llama.asked.append({"prompt": prompt, **options})
        return {"choices": [{"text": self.reply}], "usage": {"completion_tokens": 3}}


@pytest.fixture
def gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = ModuleType("llama_cpp")
    module.Llama = Llama  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "llama_cpp", module)
    monkeypatch.setattr(Llama, "metadata", MARKS)
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


def test_a_peer_is_asked_with_its_own_marks(gguf: Path, case: Case) -> None:
    filled = peers.load(gguf, threads=2, on_gpu=False)(case)
    assert (filled.text, filled.shown, filled.forwards, filled.tokens) == ("a + b", True, 3, 3)
    options, asked = Llama.asked
    assert (options["n_threads"], options["n_gpu_layers"]) == (2, 0)
    prefix, suffix = list(case.prefix.encode()), list(case.suffix.encode())
    assert asked["prompt"] == [1001, *prefix, 1002, *suffix, 1003]
    assert asked["temperature"] == 0.0


@pytest.mark.parametrize(("before", "after"), [(20_000, 20_000), (20_000, 10), (10, 20_000)])
def test_what_does_not_fit_is_cut_far_from_the_gap(
    gguf: Path, case: Case, before: int, after: int
) -> None:
    long = Case("x", "p" * before + "P", "S" + "s" * after, "", "python", "line", "x.py", "x")
    peers.load(gguf, None, on_gpu=True)(long)
    options, asked = Llama.asked
    assert options["n_gpu_layers"] == -1
    prompt = asked["prompt"]
    assert len(prompt) + asked["max_tokens"] == peers.CONTEXT
    cut = prompt.index(1002)
    assert (prompt[0], prompt[cut - 1], prompt[cut + 1], prompt[-1]) == (1001, 80, 83, 1003)


def test_a_peer_that_says_nothing_shows_nothing(
    gguf: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Llama, "reply", "")
    filled = peers.load(gguf, None, on_gpu=False)(case)
    assert (filled.shown, filled.silence) == (False, "it said nothing")


def test_errors_say_what_to_do(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EvaluationError, match="is not there"):
        peers.load(gguf.with_name("none.gguf"), None, on_gpu=False)
    monkeypatch.setattr(Llama, "metadata", {})
    with pytest.raises(EvaluationError, match="not trained to fill in the middle"):
        peers.load(gguf, None, on_gpu=False)
    gguf.write_bytes(b"zip")
    with pytest.raises(EvaluationError, match="Failed to load"):
        peers.load(gguf, None, on_gpu=False)
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(EvaluationError, match=r"pip install 'infill-lsp\[peers\]'"):
        peers.load(gguf, None, on_gpu=False)
