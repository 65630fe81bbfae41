"""Reading HumanEval-Infilling, and the programs that judge it."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from infill_lsp.evaluation import humaneval
from infill_lsp.evaluation.case import EvaluationError
from infill_lsp.evaluation.sandbox import Sandbox


def test_a_problem_becomes_a_case_and_a_program(benchmark: Path) -> None:
    problem = humaneval.read(benchmark, "single-line")[0]
    case = problem.case
    assert (
        case.prefix + case.middle + case.suffix == "def double(x):\n    y = 2 * x\n    return y\n"
    )
    assert (case.language, case.kind, case.group) == ("python", "single-line", "HumanEval/900")
    names: dict[str, object] = {}
    exec(problem.program("2 * x"), names)
    with pytest.raises(AssertionError):
        exec(problem.program("3 * x"), names)


def test_the_authors_file_name_is_read_too(benchmark: Path) -> None:
    (benchmark / "single-line.jsonl.gz").rename(benchmark / humaneval.SPLITS["single-line"])
    assert len(humaneval.read(benchmark, "single-line")) == 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"multi-line.jsonl.gz.*human-eval-infilling"):
        humaneval.read(tmp_path, "multi-line")


@pytest.mark.parametrize(
    "content",
    [
        b"plain",
        gzip.compress(b"not json\n"),
        gzip.compress(json.dumps({"task_id": "x"}).encode()),
        gzip.compress(b"[1]\n"),
        gzip.compress(b'{"task_id": "' + bytes(9000))[:-20],
    ],
)
def test_a_broken_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "single-line.jsonl.gz").write_bytes(content)
    with pytest.raises(EvaluationError, match="Get it again"):
        humaneval.read(tmp_path, "single-line")


PUBLISHED = {"single-line": 0.026, "multi-line": 0.010, "random-span": 0.018}
"""pass@1 of empty answers on the whole suite."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("split", humaneval.SPLITS)
def test_right_answers_all_pass_and_empty_ones_hardly_ever(split: str) -> None:
    folder = os.environ.get("INFILL_BENCHMARKS")
    if not folder:
        pytest.skip("INFILL_BENCHMARKS does not name a folder with humaneval-infilling in it")
    problems = humaneval.read(Path(folder) / "humaneval-infilling", split)
    with Sandbox() as sandbox:
        right = list(sandbox.judge(each.program(each.case.middle) for each in problems))
        empty = list(sandbox.judge(each.program("") for each in problems))
    wrong = [
        (problem.case.id, verdict)
        for problem, verdict in zip(problems, right, strict=True)
        if verdict.verdict != "passed"
    ]
    assert wrong == []
    share = sum(each.verdict == "passed" for each in empty) / len(empty)
    assert share == pytest.approx(PUBLISHED[split], abs=0.006)
