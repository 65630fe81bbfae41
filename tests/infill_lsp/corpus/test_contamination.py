"""Texts that hold a benchmark's problem are found; others are not."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from infill_lsp.corpus.contamination import RUN, Benchmarks, read_problems
from infill_lsp.corpus.words import word_hashes

PROMPT = '''\
def apples_and_pears(apples, pears):
    """ Say how many pieces of fruit there are in a basket of apples and of pears, together.
    >>> apples_and_pears(1, 2)
    3
    """
'''
PROBLEM = {
    "task_id": "Fruit/0",
    "entry_point": "apples_and_pears",
    "prompt": PROMPT,
    "canonical_solution": "    total_of_both = apples + pears\n",
    "suffix": "    return total_of_both\n",
}
MBPP = {
    "text": "Write a function to find the longest word of a list of words that has no letter twice.",
    "code": "def longest_word_without_twice(words):\n    return max(words)\n",
}


def are_in(text: str, *problems: dict[str, Any]) -> bool:
    return Benchmarks.of(problems or (PROBLEM, MBPP)).are_in(text, word_hashes(text))


def test_prompts_in_another_layout() -> None:
    doc = "Say how many pieces of fruit there are in a\nbasket of APPLES, and of pears: together!"
    assert are_in(f"# {doc}\n")


def test_fewer_words_than_a_run_prove_nothing() -> None:
    words = MBPP["text"].split()
    assert not are_in(" ".join(words[: RUN - 1]))
    assert are_in(" ".join(words[:RUN]))


def test_solutions_across_the_gap() -> None:
    """The infilling form cuts a problem in three; a copy of the whole must still be found."""
    problem = {**PROBLEM, "prompt": "x = 1 2 3 4 5 6\n", "suffix": "return 1 2 3 4 5 6\n"}
    assert are_in("1 2 3 4 5 6\n total_of_both = apples + pears\n return 1 2 3 4", problem)


def test_names_made_for_a_problem() -> None:
    assert are_in("def apples_and_pears(x):\n    pass\n")
    assert are_in("def longest_word_without_twice(x):\n    pass\n")
    assert not are_in("def is_prime(x):\n    pass\n", {"entry_point": "is_prime"})
    assert not are_in("apples_and_pears = 3\n")


def test_the_best_known_benchmark_is_found_without_a_file() -> None:
    assert are_in('{"task_id": "HumanEval/3"}', {})
    assert not are_in("def f(): pass", {})


def test_no_problems_no_finds() -> None:
    assert not Benchmarks.of([]).are_in(PROMPT, word_hashes(PROMPT))


@pytest.mark.parametrize("name", ["problems.jsonl", "problems.jsonl.gz"])
def test_files(tmp_path: Path, name: str) -> None:
    data = "".join(json.dumps(problem) + "\n" for problem in (PROBLEM, MBPP)).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert list(read_problems(path)) == [PROBLEM, MBPP]


def test_a_file_that_holds_no_problems_is_named(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text('{"a": 1}\n[1]\n')
    with pytest.raises(ValueError, match="line 2"):
        list(read_problems(path))
