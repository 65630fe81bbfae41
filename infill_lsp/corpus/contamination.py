"""Benchmark problems, so that no text that holds one is learned from.

Reads the problems from files that the user names; the repository itself holds none. A text holds a
problem when a run of its words is one of the problem's, or when it has a name made for a problem.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infill_lsp.corpus.words import Hashes, run_hashes, word_hashes

RUN = 13
"""Words in a run: long enough that two people hardly write the same by chance."""
_NAME_LENGTH = 12
"""A shorter name, e.g. `is_prime`, is everybody's."""
_DEFINED = re.compile(r"\bdef (\w+)\(")
_SIGNS = re.compile(r"\bHumanEval/\d|\bhas_close_elements\b|\bopenai_humaneval\b")
"""In a copy of the best-known benchmark, whichever of its problems the user's files hold."""


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """The problems of some benchmarks."""

    runs: Hashes
    """[n] sorted, of `RUN` words each."""
    names: frozenset[str]

    @classmethod
    def of(cls, problems: Iterable[dict[str, Any]]) -> Benchmarks:
        """From the fields of HumanEval (and its infilling form) and MBPP."""
        texts: set[str] = set()
        names: set[str] = set()
        for problem in problems:
            solution = (problem.get(name) or "" for name in _SOLUTION)
            texts.add("".join(solution))
            texts.update(str(problem.get(name) or "") for name in _TEXTS)
            names.update(_DEFINED.findall(str(problem.get("code") or "")))
            names.add(str(problem.get("entry_point") or ""))
        runs = [run_hashes(word_hashes(text), RUN) for text in sorted(texts)]
        return cls(
            np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *runs])),
            frozenset(name for name in names if len(name) >= _NAME_LENGTH and "_" in name),
        )

    def are_in(self, text: str, words: Hashes) -> bool:
        """Whether a text holds a problem; `words` are its `word_hashes`."""
        if _SIGNS.search(text) or not self.names.isdisjoint(_DEFINED.findall(text)):
            return True
        if len(self.runs) == 0:
            return False
        runs = run_hashes(words, RUN)
        places = np.searchsorted(self.runs, runs).clip(max=len(self.runs) - 1)
        return bool((self.runs[places] == runs).any())


_SOLUTION = ("prompt", "canonical_solution", "suffix")
_TEXTS = ("text", "code")


def read_problems(path: Path) -> Iterator[dict[str, Any]]:
    """The problems of a `.jsonl` or `.jsonl.gz` file. Raises ValueError where a line is none."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            problem = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        if not isinstance(problem, dict):
            raise ValueError(f"{path}, line {number}: not a JSON object")
        yield problem
