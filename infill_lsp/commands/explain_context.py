"""`infill-lsp fill --explain`: the files around, and which pieces of them the model is shown."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from engine import Snippet
from infill_lsp.context import Context
from infill_lsp.documents import Snapshot
from infill_lsp.project.assembly import Answer
from infill_lsp.project.project import Project
from infill_lsp.project.sources import question

MARKS = (".git", ".hg", "pyproject.toml", "package.json", "Cargo.toml", "go.mod", "pom.xml")
"""What stands in the folder of a whole project."""


class Asked:
    """The project around one file, read when the gap's context is known."""

    def __init__(self, path: Path) -> None:
        self._root = project_folder(path)
        self.path = path.relative_to(self._root).as_posix()
        self.answer = Answer()
        self.files = 0
        self.refused: str | None = None

    def snippets(self, snapshot: Snapshot, context: Context) -> tuple[Snippet, ...]:
        """As a server would show them, had it read everything already."""
        project = Project(self._root)
        while project.work():
            self.files += 1
        self.refused = project.refused
        self.answer = project.answer(question(context))
        return self.answer.snippets


def project_folder(path: Path) -> Path:
    """The nearest folder around a file that looks like a project's, else the file's own."""
    for folder in path.parents:
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return path.parent


def show(console: Console, asked: Asked, dropped: int) -> None:
    """Each piece that was considered, in the order of the prompt, and why it is not there.

    dropped: characters that the prompt had no room for.
    """
    table = Table(box=None, pad_edge=False)
    for title in ("source", "from", "characters", ""):
        table.add_column(title, justify="right" if title == "characters" else "left")
    for each in asked.answer.verdicts:
        place = f"{each.piece.path}:{each.piece.line + 1}"
        said = "offered" if each.left_out is None else f"left out: {each.left_out}"
        table.add_row(each.piece.source, place, str(len(each.piece.text)), said)
    console.print(asked.refused or f"{asked.files} files read", style="dim")
    console.print(table)
    if dropped:
        console.print(
            f"{dropped} characters of these and of the file itself did not fit the prompt",
            style="dim",
        )
