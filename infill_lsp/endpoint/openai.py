"""OpenAI's `/v1/completions` and `/v1/models`: bodies to gaps, answers to bodies."""

from __future__ import annotations

import secrets
import time
from typing import Any

from engine import EngineInfo
from infill_lsp.endpoint.fim import Parts, parts_of
from infill_lsp.endpoint.gap import (
    MOST_FILLS,
    Answer,
    BadRequestError,
    Gap,
    limit_in,
    number_in,
    stops_in,
    text_in,
)
from infill_lsp.endpoint.notes import without_notes


def gap_of(body: dict[str, Any]) -> Gap:
    """What is asked. A `suffix` counts; without one, a fill-in-the-middle prompt is taken apart;
    any other prompt is text that goes on. What there is no counterpart for, e.g. `temperature`, is
    passed over. Raises BadRequestError."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise BadRequestError("`prompt` must be a text")
    suffix = text_in(body, "suffix")
    parts = (None if suffix else parts_of(prompt)) or Parts(prompt, suffix)
    if not parts.path:
        parts = without_notes(parts)
    return Gap(
        parts.prefix,
        parts.suffix,
        path=parts.path,
        snippets=parts.snippets,
        max_tokens=limit_in(body, "max_tokens"),
        fills=number_in(body, "n", 1, MOST_FILLS) or 1,
        seed=number_in(body, "seed", 0, 2**31) or 0,
        stop=stops_in(body),
        stream=body.get("stream") is True,
    )


def completion(answer: Answer, info: EngineInfo) -> dict[str, Any]:
    """The whole answer."""
    prompt = answer.draft.stats.prompt_tokens if answer.draft else 0
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": answer.tokens,
        "total_tokens": prompt + answer.tokens,
    }
    return {**_head(info), "choices": _choices(answer), "usage": usage}


def events(answer: Answer, info: EngineInfo) -> list[dict[str, Any] | str]:
    """The same as events of a stream. A canvas is done as a whole, so there is one for each text."""
    head = _head(info)
    return [*({**head, "choices": [choice]} for choice in _choices(answer)), "[DONE]"]


def models(info: EngineInfo) -> dict[str, Any]:
    """The one model there is."""
    model = {"id": info.model, "object": "model", "created": 0, "owned_by": "infill-lsp"}
    return {"object": "list", "data": [model]}


def _head(info: EngineInfo) -> dict[str, Any]:
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": info.model,
    }


def _choices(answer: Answer) -> list[dict[str, Any]]:
    reason = "length" if answer.cut_short else "stop"
    return [
        {"index": index, "text": text, "logprobs": None, "finish_reason": reason}
        for index, text in enumerate(answer.texts)
    ]
