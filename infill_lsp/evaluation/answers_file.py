"""Outcomes on disk, a JSON line each, so that an evaluation that was interrupted can go on.

The first line says which run the others belong to; a file of another run is refused, never mixed.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from infill_lsp.evaluation.case import EvaluationError, Outcome


class AnswersFile:
    """Use as a context manager. `done` holds what an earlier run left."""

    def __init__(self, path: Path, run: dict[str, object]) -> None:
        """run: what must be equal for outcomes to belong together; JSON values only.

        EvaluationError when the file cannot be used.
        """
        self._path = path
        self.done: dict[str, Outcome] = {}
        try:
            found = path.read_bytes() if path.exists() else b""
            whole = found[: found.rfind(b"\n") + 1]  # the rest was cut off in the middle
            if whole:
                self._read(whole.decode("utf-8").splitlines(), run)
            self._file = path.open("r+b" if found else "wb")
            self._file.truncate(len(whole))
            self._file.seek(len(whole))
        except (OSError, UnicodeDecodeError) as error:
            raise EvaluationError(
                f"cannot write the answers to {path} ({error}). Give another file."
            ) from error
        if not whole:
            self._write({"run": run})
        self._file.flush()

    def add(self, outcomes: list[Outcome]) -> None:
        """Write them through to the disk's cache."""
        for outcome in outcomes:
            self._write(asdict(outcome))
        self._file.flush()

    def __enter__(self) -> AnswersFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _write(self, row: dict[str, object]) -> None:
        self._file.write(json.dumps(row).encode() + b"\n")

    def _read(self, lines: list[str], run: dict[str, object]) -> None:
        try:
            head, *rows = map(json.loads, lines)
            before = head["run"]
            self.done = {row["id"]: Outcome(**row) for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluationError(
                f"{self._path} is not a file of answers ({type(error).__name__}). Give another."
            ) from error
        wrong = [name for name in run if before.get(name) != run[name]]
        if wrong:
            raise EvaluationError(
                f"{self._path} holds answers of another run: its {wrong[0]} is "
                f"{before.get(wrong[0])!r}, this one's {run[wrong[0]]!r}. Give another file."
            )
