"""What the server and its project process say to each other: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from engine import Snippet
from infill_lsp.project.assembly import Answer, Verdict
from infill_lsp.project.knowledge import Claim
from infill_lsp.project.sources import Piece, Question

Message = dict[str, Any]
"""From the server: `question` with `sources` and an id, `judge` or `layout` with a path and an id, `claim` with an id, `changed` with paths,
`exclude` with patterns, or `remember` with path, line and text. From the process: what was asked under
that id, `indexed` with a number of files, or `rules` when the ignore rules may have changed."""


def to_line(message: Message) -> bytes:
    """As it is written."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Message:
    """What was written."""
    message: Message = json.loads(line)
    return message


def ask(question: Question, sources: Sequence[str]) -> Message:
    return {"question": asdict(question), "sources": list(sources)}


def question_of(message: Message) -> Question:
    fields = message["question"]
    return Question(**{**fields, "imports": tuple(fields["imports"])})


def claimed(claim: Claim) -> Message:
    return {"claim": asdict(claim)}


def claim_of(message: Message) -> Claim:
    fields = message["claim"]
    return Claim(**{**fields, "imports": tuple(fields["imports"])})


def answered(number: int, answer: Answer) -> Message:
    return {"id": number, **asdict(answer)}


def answer_of(message: Message) -> Answer:
    return Answer(
        tuple(Snippet(**each) for each in message["snippets"]),
        tuple(Verdict(Piece(**each["piece"]), each["left_out"]) for each in message["verdicts"]),
    )
