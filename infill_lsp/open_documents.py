"""The documents that a client has open, by URI, each kept in step with the editor.

What a document is, and how a change is applied to it, is `documents`' business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from infill_lsp.completer import Completer
from infill_lsp.documents import Change, Document
from infill_lsp.messages import tell
from infill_lsp.notebooks import Notebooks
from infill_lsp.positions import Encoding
from infill_lsp.project.neighbours import Neighbours
from infill_lsp.uris import normal, relative

logger = logging.getLogger(__name__)


AT_ONCE = 200
"""Changes of a document that are followed without a pause."""
LOST = (
    "infill-lsp cannot read a change that the editor sent, and suggests nothing in that file until it"
    " is closed and opened again"
)


class OpenDocuments(Mapping[str, Document]):
    """Tells the completer and the neighbours of what comes, changes and goes."""

    def __init__(
        self,
        ls: LanguageServer,
        completer: Completer,
        neighbours: Neighbours,
        on_open: Callable[[Document], None] = lambda _: None,
    ) -> None:
        """on_open: told of each document that is opened."""
        self._on_open = on_open
        self._ls, self._completer, self._neighbours = ls, completer, neighbours
        self._open: dict[str, Document] = {}
        self._notebooks = Notebooks()

    def __getitem__(self, uri: str) -> Document:
        document = self._open[normal(uri)]
        document.beside = self._notebooks.beside(document, self._open)
        return document

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def open_document(self, params: types.DidOpenTextDocumentParams) -> None:
        """Begin to mirror a document."""
        self._begin(params.text_document)

    def open_notebook(self, params: types.DidOpenNotebookDocumentParams) -> None:
        """Begin to mirror a notebook's cells."""
        notebook = params.notebook_document
        for cell in params.cell_text_documents:
            self._begin(cell)
        self._notebooks.open(notebook.uri, [cell.document for cell in notebook.cells])

    def change_notebook(self, params: types.DidChangeNotebookDocumentParams) -> None:
        """Cells came, went or changed."""
        cells = params.change.cells
        if cells is None:
            return
        if cells.structure is not None:
            array = cells.structure.array
            new = [cell.document for cell in array.cells or ()]
            for item in cells.structure.did_open or ():
                self._begin(item)
            self._notebooks.splice(
                params.notebook_document.uri, array.start, array.delete_count, new
            )
            for closed in cells.structure.did_close or ():
                self._forget(closed.uri)
        for text in cells.text_content or ():
            if (document := self.get(text.document.uri)) is not None:
                changes = [_change(change) for change in text.changes]
                self._apply(document, changes, text.document.version)

    def close_notebook(self, params: types.DidCloseNotebookDocumentParams) -> None:
        """Stop mirroring a notebook's cells."""
        for cell in params.cell_text_documents:
            self._forget(cell.uri)
        self._notebooks.close(params.notebook_document.uri)

    def _begin(self, opened: types.TextDocumentItem) -> None:
        document = self._open[normal(opened.uri)] = Document(
            opened.uri,
            opened.text,
            version=opened.version,
            language_id=str(getattr(opened.language_id, "value", opened.language_id)),
            path=self._path_in_workspace(opened.uri),
            encoding=self.encoding,
        )
        self._neighbours.opened(document)
        self._on_open(document)

    def change_document(self, params: types.DidChangeTextDocumentParams) -> Awaitable[None] | None:
        """Follow the editor's changes. Where they are many: all of them are followed when what is
        returned has ended, and other windows get their turns meanwhile."""
        document = self.get(params.text_document.uri)
        if document is None:
            logger.warning("a change of a document that is not open is ignored")
            return None
        changes = [_change(change) for change in params.content_changes]
        version = params.text_document.version
        if len(changes) > AT_ONCE:
            return asyncio.ensure_future(self._change_slowly(document, changes, version))
        self._apply(document, changes, version)
        return None

    async def _change_slowly(
        self, document: Document, changes: Sequence[Change], version: int
    ) -> None:
        for start in range(0, len(changes), AT_ONCE):
            self._apply(document, changes[start : start + AT_ONCE], version)
            await asyncio.sleep(0)

    def _apply(self, document: Document, changes: Sequence[Change], version: int) -> None:
        document.apply(changes, version)
        if changes and (where := changes[-1].range) is not None:
            self._neighbours.touched(document, where[0][0])

    def lose_document(self, uri: str) -> None:
        """A change of it could not be read, so a mirror would show another text than the editor."""
        if uri in self:
            self._forget(uri)
            tell(self._ls, types.MessageType.Warning, LOST)

    def close_document(self, params: types.DidCloseTextDocumentParams) -> None:
        """Stop mirroring a document."""
        self._forget(params.text_document.uri)

    def _forget(self, uri: str) -> None:
        document = self._open.pop(normal(uri), None)
        if document is not None:
            self._neighbours.closed(document.uri)
            self._completer.close_document(document.uri)

    def clear(self) -> None:
        """Forget them all, since the client is gone."""
        self._open.clear()

    @property
    def encoding(self) -> Encoding:
        """In what the client counts characters."""
        chosen = self._ls.workspace.position_encoding
        match str(getattr(chosen, "value", chosen)):
            case "utf-8":
                return "utf-8"
            case "utf-32":
                return "utf-32"
            case _:
                return "utf-16"

    def _path_in_workspace(self, uri: str) -> str:
        """Relative to the workspace folder that holds the file; empty when none does."""
        workspace = self._ls.workspace
        roots = [*workspace.folders, workspace.root_uri or ""]
        found = (relative(uri, root) for root in roots)
        return next((path for path in found if path), "")


def _change(change: types.TextDocumentContentChangeEvent) -> Change:
    where = getattr(change, "range", None)
    if where is None:
        return Change(change.text)
    start, end = where.start, where.end
    return Change(change.text, ((start.line, start.character), (end.line, end.character)))
