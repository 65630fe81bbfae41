"""Pairs of gaps with the same text before them: only what follows says what belongs there.

Reads a file of JSON lines, by default the repository's own, written and checked by hand. Whoever
does not look at the text after the gap says the same twice, and is wrong at least once.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infill_lsp.evaluation.case import Case, EvaluationError
from infill_lsp.grammars import GRAMMARS

FILE = Path(__file__).parents[2] / "fixtures" / "suffix_pairs.jsonl"
"""Comes with the source code, not with an installed package."""
KIND = "suffix-pair"


@dataclass(frozen=True, slots=True)
class Side:
    """One of a pair's two gaps, and what fits there."""

    case: Case
    """Its `group` is the pair; its `middle` the first accepted fill."""
    accepted: tuple[str, ...]
    """Fills that fit; at least one."""
    pattern: re.Pattern[str] | None = None
    """More of them."""

    def fits(self, text: str) -> bool:
        """Whether `text` is one of them; white space around it does not count."""
        fill = text.strip()
        matched = self.pattern is not None and self.pattern.fullmatch(fill) is not None
        return matched or fill in self.accepted

    def verdict(self, text: str) -> str:
        """What an outcome says of it."""
        return "passed" if self.fits(text) else "failed"


Pair = tuple[Side, Side]


def read(path: Path) -> list[Pair]:
    """All pairs, in the file's order. EvaluationError when they cannot be read."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(
            f"{path} cannot be read ({error}). Give as --data the file suffix_pairs.jsonl, which "
            "comes with the source code, in its folder fixtures."
        ) from error
    pairs = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                pairs.append(_pair(json.loads(line)))
        except (ValueError, LookupError, TypeError, AttributeError, re.error) as error:
            raise EvaluationError(
                f"{path}:{number} is not a pair ({type(error).__name__}: {error}). Mend the line."
            ) from error
    return pairs


def _pair(row: dict[str, Any]) -> Pair:
    first, second = row["sides"]
    return _side(row, first, 1), _side(row, second, 2)


def _side(row: dict[str, Any], side: dict[str, Any], number: int) -> Side:
    pattern = side.get("pattern")
    case = Case(
        id=f"{row['id']}/{number}",
        prefix=row["prefix"],
        suffix=side["suffix"],
        middle=side["accepted"][0],
        language=row["language"],
        kind=KIND,
        path=f"example{GRAMMARS[row['language']].suffixes[0]}",
        group=row["id"],
    )
    return Side(case, tuple(side["accepted"]), None if pattern is None else re.compile(pattern))
