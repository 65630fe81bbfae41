"""Other people's models beside ours: any GGUF file, filled with its own fill-in-the-middle tokens.

Needs the extra `peers` (llama-cpp-python). A peer is asked as its makers intend, from left to right
and greedily, and its text is taken as it comes: nothing of the product touches it.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

from infill_lsp.evaluation.case import Answer, Case, EvaluationError, Filler

CONTEXT = 8192
LONGEST_FILL = 256
"""Tokens, as the product's own limit."""
_MARKS = {
    "prefix": ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id"),
    "suffix": ("tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id"),
    "middle": ("tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id"),
}
"""What a GGUF file calls the tokens before each part, newer name first."""


def load(path: Path, threads: int | None, on_gpu: bool) -> Filler:
    """A filler out of a GGUF file. EvaluationError when it cannot be one."""
    if not path.is_file():
        raise EvaluationError(f"{path} is not there. Give a GGUF file.")
    try:
        library = importlib.import_module("llama_cpp")
    except ImportError as error:
        raise EvaluationError(
            "GGUF models need llama-cpp-python. Install it with: pip install 'infill-lsp[peers]'"
        ) from error
    try:
        model: Any = library.Llama(
            str(path),
            n_ctx=CONTEXT,
            n_threads=threads,
            n_gpu_layers=-1 if on_gpu else 0,
            verbose=False,
        )
    except ValueError as error:
        raise EvaluationError(
            f"{path} cannot be loaded ({error}). Give a GGUF language model that this "
            "llama-cpp-python knows."
        ) from error
    marks = {part: _mark(model.metadata, names) for part, names in _MARKS.items()}
    missing = [part for part, mark in marks.items() if mark is None]
    if missing:
        raise EvaluationError(
            f"{path} names no token before the {missing[0]}: it was not trained to fill in the "
            "middle. Give a model that was, for example a Qwen2.5-Coder or StarCoder2 base model."
        )
    return _filler(model, marks["prefix"], marks["suffix"], marks["middle"])


def _filler(model: Any, before: int | None, after: int | None, middle: int | None) -> Filler:
    def answer(case: Case) -> Answer:
        began = time.perf_counter()
        head = model.tokenize(case.prefix.encode(), add_bos=False, special=False)
        tail = model.tokenize(case.suffix.encode(), add_bos=False, special=False)
        room = CONTEXT - LONGEST_FILL - 3
        tail = tail[: max(room // 2, room - len(head))]
        head = head[max(len(head) + len(tail) - room, 0) :]
        reply = model.create_completion(
            [before, *head, after, *tail, middle], max_tokens=LONGEST_FILL, temperature=0.0
        )
        text, tokens = reply["choices"][0]["text"], reply["usage"]["completion_tokens"]
        ms = (time.perf_counter() - began) * 1e3
        silence = None if text else "it said nothing"
        return Answer(text, bool(text), silence, forwards=tokens, tokens=tokens, ms=ms)

    return answer


def _mark(metadata: dict[str, str], names: tuple[str, ...]) -> int | None:
    return next((int(metadata[name]) for name in names if name in metadata), None)
