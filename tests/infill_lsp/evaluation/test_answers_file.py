"""Outcomes survive an interruption, and never mix with those of another run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infill_lsp.evaluation.answers_file import AnswersFile
from infill_lsp.evaluation.case import Answer, Case, EvaluationError
from infill_lsp.evaluation.scores import outcome

RUN: dict[str, object] = {"suite": "heldout", "model": "bundled", "seed": 0}


@pytest.fixture
def outcomes(case: Case) -> list:
    return [
        outcome(replace(case, id=f"case {number}"), Answer("ä\n" * number, bool(number)))
        for number in range(5)
    ]


def test_a_second_run_finds_what_the_first_left(tmp_path: Path, outcomes: list) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswersFile(path, RUN) as file:
        assert file.done == {}
        file.add(outcomes[:2])
    with AnswersFile(path, RUN) as file:
        assert list(file.done.values()) == outcomes[:2]
        file.add(outcomes[2:])
    with AnswersFile(path, RUN) as file:
        assert list(file.done.values()) == outcomes


def test_whatever_is_cut_off_only_the_last_answer_is_lost(tmp_path: Path, outcomes: list) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswersFile(path, RUN) as file:
        file.add(outcomes[:3])
    whole = path.read_bytes()
    ends = [at + side for at, byte in enumerate(whole) if byte == 10 for side in (0, 1)]
    for length in {*ends, *range(0, len(whole) + 1, 9)}:
        path.write_bytes(whole[:length])
        with AnswersFile(path, RUN) as file:
            done = list(file.done.values())
            assert done == outcomes[: max(whole[:length].count(b"\n") - 1, 0)]
            file.add(outcomes[len(done) : 3])
        assert path.read_bytes() == whole


def test_answers_of_another_run_are_refused_and_kept(tmp_path: Path, outcomes: list) -> None:
    path = tmp_path / "answers.jsonl"
    with AnswersFile(path, RUN) as file:
        file.add(outcomes)
    before = path.read_bytes()
    with pytest.raises(EvaluationError, match="its model is 'bundled', this one's 'other'"):
        AnswersFile(path, {**RUN, "model": "other"})
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"[project]\n", b'{"id": 1}\n', b"\xff\n", b"[]\n"])
def test_other_files_are_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match="another"):
        AnswersFile(path, RUN)
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="Give another file"):
        AnswersFile(tmp_path / "none" / "answers.jsonl", RUN)
