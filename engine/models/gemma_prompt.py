"""How DiffusionGemma is asked to infill: its chat template around the pieces of `engine.prompt`.

The user's turn holds the instruction, the pieces of other files and the text after the gap; the
model's turn begins with the text before the gap, so that the canvas goes on with it. All of it but
that text stays the same from key to key, and the cache lives.
"""

from __future__ import annotations

from dataclasses import replace

from engine.models.base import ModelSpec
from engine.request import EngineError
from engine.tokenizer import Tokenizer

TURN, END_OF_TURN = "<|turn>", "<turn|>"
INSTRUCTION = (
    "Continue a file up to where the text below goes on. Stop there, repeat nothing of it, and "
    "explain nothing. After excerpts from other files, if any, this is what follows:\n\n"
)


def with_template(spec: ModelSpec, tokenizer: Tokenizer) -> ModelSpec:
    """`spec` with the ids of the template, and every other id without text forbidden.

    EngineError for a tokenizer without the template's marks.
    """
    marks = [tokenizer.id_of(mark) for mark in (TURN, END_OF_TURN)]
    if None in marks:
        raise EngineError(
            f"The tokenizer has no {TURN!r} or {END_OF_TURN!r}: it is not DiffusionGemma's. Download "
            "the model again."
        )
    turn, end = (mark for mark in marks if mark is not None)
    begin = () if spec.bos_id is None else (spec.bos_id,)
    said = {
        id_
        for id_ in range(min(tokenizer.vocab_size, spec.vocab_size))
        if tokenizer.token_bytes(id_)
    }
    return replace(
        spec,
        opening=(*begin, turn, *tokenizer.encode("user\n" + INSTRUCTION)),
        before_prefix=(end, *tokenizer.encode("\n"), turn, *tokenizer.encode("model\n")),
        forbidden_ids=tuple(
            id_ for id_ in range(spec.vocab_size) if id_ not in said and id_ not in spec.eos_ids
        ),
    )
