"""The documents that a client has open, by URI, each kept in step with the editor.

What a document is, and how a change is applied to it, is `documents`' business.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from infill_lsp.completer import Completer
from infill_lsp.documents import Change, Document
from infill_lsp.positions import Encoding
from infill_lsp.project.neighbours import Neighbours

logger = logging.getLogger(__name__)


class OpenDocuments(Mapping[str, Document]):
    """Tells the completer and the neighbours of what comes, changes and goes."""

    def __init__(self, ls: LanguageServer, completer: Completer, neighbours: Neighbours) -> None:
        self._ls, self._completer, self._neighbours = ls, completer, neighbours
        self._open: dict[str, Document] = {}

    def __getitem__(self, uri: str) -> Document:
        return self._open[uri]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def open_document(self, params: types.DidOpenTextDocumentParams) -> None:
        """Begin to mirror a document."""
        opened = params.text_document
        self._open[opened.uri] = Document(
            opened.uri,
            opened.text,
            version=opened.version,
            language_id=str(getattr(opened.language_id, "value", opened.language_id)),
            path=self._path_in_workspace(opened.uri),
            encoding=self.encoding,
        )
        self._neighbours.opened(self._open[opened.uri])

    def change_document(self, params: types.DidChangeTextDocumentParams) -> None:
        """Follow the editor's changes."""
        document = self._open.get(params.text_document.uri)
        if document is None:
            logger.warning("a change of a document that is not open is ignored")
            return
        changes = [_change(change) for change in params.content_changes]
        document.apply(changes, params.text_document.version)
        if changes and (where := changes[-1].range) is not None:
            self._neighbours.touched(document, where[0][0])

    def close_document(self, params: types.DidCloseTextDocumentParams) -> None:
        """Stop mirroring a document."""
        self._open.pop(params.text_document.uri, None)
        self._neighbours.closed(params.text_document.uri)
        self._completer.close_document(params.text_document.uri)

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
        roots = [*workspace.folders, unquote(workspace.root_uri or "")]
        for root in roots:
            folder = root.rstrip("/") + "/"
            if root and unquote(uri).startswith(folder):
                return unquote(uri)[len(folder) :]
        return ""


def _change(change: types.TextDocumentContentChangeEvent) -> Change:
    where = getattr(change, "range", None)
    if where is None:
        return Change(change.text)
    start, end = where.start, where.end
    return Change(change.text, ((start.line, start.character), (end.line, end.character)))
