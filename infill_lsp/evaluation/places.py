"""Ordinary places in ordinary files, for a person to look at: what came, good or bad.

A folder of files with one `‸` each, by default the repository's own. Nothing is judged: there is no
one right answer in an empty body.
"""

from __future__ import annotations

from pathlib import Path

from infill_lsp.evaluation.case import Case, EvaluationError
from infill_lsp.grammars import language_for

FOLDER = Path(__file__).parents[2] / "fixtures" / "places"
"""Comes with the source code, not with an installed package."""
GAP = "‸"


def read(folder: Path) -> list[Case]:
    """A case for each file, by name. EvaluationError where one cannot be read or has not one gap."""
    files = sorted(path for path in folder.glob("*") if path.is_file())
    if not files:
        raise EvaluationError(
            f"{folder} has no files. Give as --data a folder of files with a {GAP}."
        )
    cases = []
    for path in files:
        try:
            prefix, suffix = path.read_text("utf-8").split(GAP)
        except (OSError, ValueError) as error:
            raise EvaluationError(
                f"{path} cannot be used ({error}). It needs the gap's mark {GAP} exactly once."
            ) from error
        language = language_for("", path.name) or ""
        cases.append(Case(path.stem, prefix, suffix, "", language, "place", path.name, path.stem))
    return cases
