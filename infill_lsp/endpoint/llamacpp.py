"""llama.cpp's `/infill`, as llama.vim and llama.vscode use it: bodies to gaps, answers to bodies."""

from __future__ import annotations

from typing import Any

from engine import EngineInfo, Snippet
from infill_lsp.endpoint.gap import (
    MOST_FILLS,
    MOST_SECONDS,
    Answer,
    BadRequestError,
    Gap,
    limit_in,
    number_in,
    stops_in,
    text_in,
)


def gap_of(body: dict[str, Any]) -> Gap:
    """What is asked: `prompt` is what stands on the cursor's line before it, `input_prefix` all
    before that. Samplers and their numbers are passed over. Raises BadRequestError.

    `t_max_predict_ms` is a wish: llama.cpp counts from the first token on and ends its line first, so
    llama.vim sends as little as 250.
    """
    milliseconds = number_in(body, "t_max_predict_ms", 0, int(MOST_SECONDS * 1000))
    return Gap(
        text_in(body, "input_prefix") + text_in(body, "prompt"),
        text_in(body, "input_suffix"),
        snippets=_snippets(body.get("input_extra")),
        max_tokens=limit_in(body, "n_predict"),
        fills=number_in(body, "n_cmpl", 1, MOST_FILLS) or 1,
        seed=number_in(body, "seed", 0, 2**31) or 0,
        stop=stops_in(body),
        seconds=milliseconds / 1000 if milliseconds else None,
        stream=body.get("stream") is True,
    )


def completions(answer: Answer, info: EngineInfo, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer, one object for each text."""
    return [_chosen(_whole(text, answer, info), body) for text in answer.texts]


def _chosen(whole: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Only the fields in `response_fields` where the client names some: `a/b` is the field `b` of
    `a`, and is called `a/b` in the answer too."""
    wanted = body.get("response_fields")
    if not isinstance(wanted, list) or not wanted:
        return whole
    chosen = {}
    for name in wanted:
        outer, _, inner = str(name).partition("/")
        value = whole.get(outer)
        if inner:
            value = value.get(inner) if isinstance(value, dict) else None
        if value is not None:
            chosen[str(name)] = value
    return chosen


def _whole(text: str, answer: Answer, info: EngineInfo) -> dict[str, Any]:
    stats = answer.draft.stats if answer.draft else None
    ms = stats.ms if stats else {}
    prompt = stats.prompt_tokens if stats else 0
    reused = stats.reused_tokens if stats else 0
    return {
        "content": text,
        "model": info.model,
        "stop": True,
        "stop_type": "limit" if answer.cut_short else "eos",
        "truncated": bool(stats and stats.dropped_chars),
        "tokens_predicted": answer.tokens,
        "tokens_evaluated": prompt,
        "tokens_cached": reused,
        "timings": {
            **_timings("prompt", prompt - reused, ms.get("encode", 0.0)),
            **_timings("predicted", answer.tokens, ms.get("denoise", 0.0)),
        },
    }


def _timings(what: str, tokens: int, ms: float) -> dict[str, float]:
    return {
        f"{what}_n": tokens,
        f"{what}_ms": ms,
        f"{what}_per_token_ms": ms / tokens if tokens else 0.0,
        f"{what}_per_second": 1000 * tokens / ms if ms else 0.0,
    }


def _snippets(extra: object) -> tuple[Snippet, ...]:
    entries = extra or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadRequestError("`input_extra` must be a list of objects")
    return tuple(
        Snippet(text, text_in(entry, "filename"))
        for entry in entries
        if (text := text_in(entry, "text"))
    )
