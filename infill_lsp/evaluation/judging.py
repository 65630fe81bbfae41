"""From answers to outcomes: by running a program, by a list of what fits, or by the text alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infill_lsp.evaluation.case import Answer, Case, Outcome
from infill_lsp.evaluation.humaneval import Problem
from infill_lsp.evaluation.sandbox import Sandbox
from infill_lsp.evaluation.scores import outcome
from infill_lsp.evaluation.suffix_pairs import Side


@dataclass(frozen=True, slots=True)
class Questions:
    """The cases of a suite, and by their ids what judges the answers: one of the two, or neither."""

    cases: Sequence[Case]
    problems: Mapping[str, Problem] = field(default_factory=dict)
    sides: Mapping[str, Side] = field(default_factory=dict)


def judged(
    questions: Questions,
    cases: Sequence[Case],
    answers: Sequence[Answer],
    sandbox: Sandbox | None,
) -> list[Outcome]:
    """The outcome of each of `cases`, some of the questions. sandbox: where there are problems."""
    pairs = list(zip(cases, answers, strict=True))
    if sandbox is not None:
        programs = [questions.problems[case.id].program(answer.text) for case, answer in pairs]
        return [
            outcome(case, answer, verdict.verdict, verdict.detail)
            for (case, answer), verdict in zip(pairs, sandbox.judge(programs), strict=True)
        ]
    if questions.sides:
        return [
            outcome(case, answer, questions.sides[case.id].verdict(answer.text))
            for case, answer in pairs
        ]
    return [outcome(case, answer) for case, answer in pairs]
