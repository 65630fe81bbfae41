"""HumanEval-Infilling (Bavarian et al. 2022): gaps in 164 Python functions, judged by their tests.

Reads the suite's files from a folder that the user has; they are not part of this package. Knows
how a program to run is put together, not how it is run.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

from infill_lsp.evaluation.case import Case, EvaluationError

SPLITS = {
    "single-line": "HumanEval-SingleLineInfilling.jsonl.gz",
    "multi-line": "HumanEval-MultiLineInfilling.jsonl.gz",
    "random-span": "HumanEval-RandomSpanInfilling.jsonl.gz",
}
"""Each split and its file's name where the authors publish it; `SPLIT.jsonl.gz` is read too."""
PATH = "solution.py"
"""What the model is shown as the file's name: it tells nothing."""
_KEYS = ("task_id", "entry_point", "prompt", "suffix", "canonical_solution", "test")


@dataclass(frozen=True, slots=True)
class Problem:
    """A case and what tests it."""

    case: Case
    test: str
    """Source that defines `check(candidate)`."""
    entry_point: str

    def program(self, text: str) -> str:
        """The program that runs through when `text` solves the case."""
        body = self.case.prefix + text + self.case.suffix
        return f"{body}\n{self.test}\ncheck({self.entry_point})"


def read(folder: Path, split: str) -> list[Problem]:
    """All problems of a split, in the file's order. EvaluationError when they cannot be read."""
    candidates = (folder / f"{split}.jsonl.gz", folder / SPLITS[split])
    path = next((each for each in candidates if each.is_file()), None)
    if path is None:
        raise EvaluationError(
            f"neither {candidates[0].name} nor {candidates[1].name} is in {folder}. Get them from "
            "github.com/openai/human-eval-infilling (folder data) and give their folder as --data."
        )
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [_problem(json.loads(line), split) for line in lines if line.strip()]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{path} is not a file of HumanEval-Infilling ({type(error).__name__}: {error}). "
            "Get it again."
        ) from error


def _problem(row: dict[str, str], split: str) -> Problem:
    task, entry, prompt, suffix, solution, test = (row[key] for key in _KEYS)
    parts = task.split("/")  # `SingleLineInfilling/HumanEval/0/L0`
    case = Case(
        id=task,
        prefix=prompt,
        suffix=suffix,
        middle=solution,
        language="python",
        kind=split,
        path=PATH,
        group="/".join(parts[1:3]),
    )
    return Problem(case, test, entry)
