"""Notebooks: which cells belong together, and in which order, so that the others are context for one.

With `notebookDocument/*` the client says the order. Clients that only open cells as documents give all cells
of a notebook one URI but for its fragment, and open them in order. A cell is known by its normal URI.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from infill_lsp.documents import Document
from infill_lsp.grammars import GRAMMARS
from infill_lsp.uris import normal

FAR = 60_000
"""Characters of other cells, on each side of one."""


class Notebooks:
    """The open notebooks of one connection. Used from its event loop's thread only."""

    def __init__(self) -> None:
        self._cells: dict[str, list[str]] = {}
        self._notebook: dict[str, str] = {}

    def open(self, uri: str, cells: Iterable[str]) -> None:
        """A notebook was opened, with these cells."""
        self._cells[normal(uri)] = []
        self.splice(uri, 0, 0, cells)

    def splice(self, uri: str, start: int, deleted: int, cells: Iterable[str]) -> None:
        """So many cells from `start` on were taken away, and others put there."""
        notebook = normal(uri)
        order = self._cells.setdefault(notebook, [])
        new = [normal(cell) for cell in cells]
        for cell in order[start : start + deleted]:
            self._notebook.pop(cell, None)
        order[start : start + deleted] = new
        self._notebook |= dict.fromkeys(new, notebook)

    def close(self, uri: str) -> None:
        """The notebook is gone."""
        for cell in self._cells.pop(normal(uri), ()):
            self._notebook.pop(cell, None)

    def beside(self, document: Document, opened: Mapping[str, Document]) -> tuple[str, str]:
        """The text of the cells before a document, and of those after it; empty where it is no cell.

        opened: all documents, by their normal URIs, in the order in which they were opened.
        """
        own = normal(document.uri)
        order = self._order(own, opened)
        if own not in order or len(order) < 2:
            return "", ""
        at = order.index(own)
        before = _text(order[:at], opened, document)
        after = _text(order[at + 1 :], opened, document)
        return before[-FAR:], after[:FAR] and f"\n{after[:FAR]}"

    def _order(self, own: str, opened: Mapping[str, Document]) -> Sequence[str]:
        if (notebook := self._notebook.get(own)) is not None:
            return self._cells[notebook]
        base, mark, _ = own.partition("#")
        if not mark or own.startswith("file:"):
            return ()
        return [each for each in opened if each.startswith(f"{base}#")]


def _text(cells: Iterable[str], opened: Mapping[str, Document], document: Document) -> str:
    """Cells one below the other: code as it is, anything else as comments of the document's language."""
    parts = []
    language = document.snapshot().language
    mark = GRAMMARS[language].line_comment if language else ""
    for cell in cells:
        other = opened.get(cell)
        if other is None or not other.text.strip():
            continue
        text = other.text.replace("\r\n", "\n").rstrip() + "\n"
        if other.language_id == document.language_id:
            parts.append(text)
        elif mark:
            parts.append("".join(f"{mark} {line}".rstrip() + "\n" for line in text.splitlines()))
    return "\n".join(parts) + ("\n" if parts else "")
