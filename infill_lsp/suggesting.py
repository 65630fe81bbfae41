"""Requests for suggestions, and what an editor says became of them.

Each handler unpacks what an editor sent, asks the session's completer, shows how that went, and
packs the answer.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from infill_lsp import items
from infill_lsp.completer import Answer
from infill_lsp.documents import Document
from infill_lsp.indentation import from_options
from infill_lsp.positions import within
from infill_lsp.session import InfillServer
from infill_lsp.status import Status
from infill_lsp.suggestions import Popup

TRIGGER_CHARACTERS = (".", "(", "=", " ")
"""For `textDocument/completion`; words trigger it anyway."""
LOADING_PATIENCE = 8.0
"""Seconds that grey text is waited for while the model loads. Emacs' lsp-mode gives up after ten."""


def add_suggesting(server: InfillServer) -> None:
    """Register inline completion, and the command that says what was accepted of it."""

    # Without options the capability would not be announced.
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(
        ls: InfillServer, params: types.InlineCompletionParams
    ) -> types.InlineCompletionList:
        kind = params.context.trigger_kind
        answer = await _suggest(
            ls,
            params.text_document,
            params.position,
            automatic=kind is types.InlineCompletionTriggerKind.Automatic,
            selected=params.context.selected_completion_info,
            patience=LOADING_PATIENCE,
        )
        if answer is None:
            return types.InlineCompletionList(items=[])
        return items.inline_items(answer.suggestions, answer.snapshot)

    @server.command(items.ACCEPTED)
    def accepted(ls: InfillServer, *item: object) -> None:
        """The item's id; and how much of its text was inserted, counted from its start in units of
        the position encoding, when it was not all."""
        suggestion, length = (*item, None, None)[:2]
        if length is not None and (not isinstance(length, int) or length < 1):
            raise JsonRpcInvalidParams("infill.accepted: the length must be a whole number from 1")
        _accept(ls, str(suggestion), length)


def add_fallback(server: InfillServer) -> None:
    """Register the completion menu, for clients without inline completion."""
    options = types.CompletionOptions(trigger_characters=list(TRIGGER_CHARACTERS))

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, options)
    async def completion(ls: InfillServer, params: types.CompletionParams) -> types.CompletionList:
        if ls.completer.settings.completion_fallback == "never":
            return types.CompletionList(is_incomplete=False, items=[])
        # A completion menu cannot tell "asked for" from "typed a letter": both are kind 1.
        # Nor may it wait for the model: a client may hold back other servers' entries until then.
        answer = await _suggest(ls, params.text_document, params.position, automatic=True)
        if answer is None:
            return types.CompletionList(is_incomplete=True, items=[])
        return items.completion_items(
            answer.suggestions, answer.snapshot, markdown=_shows_markdown(ls.client_capabilities)
        )


async def _suggest(
    ls: InfillServer,
    where: types.TextDocumentIdentifier,
    position: types.Position,
    *,
    automatic: bool,
    selected: types.SelectedCompletionInfo | None = None,
    patience: float = 0.0,
) -> Answer | None:
    """What to suggest at a position; None when the document is not open here.

    patience: seconds that a model which is still loading is waited for.
    """
    document = ls.documents.get(where.uri)
    if document is None:
        ls.status.show(Status("Warning", "the document was not opened"))
        return None
    asked_for = getattr(where, "version", None)
    if asked_for is not None and asked_for < document.version:
        ls.status.show(replace(ls.completer.well, message="the text changed meanwhile"))
        return None
    if options := getattr(where, "formatting_options", None):
        unit = from_options(options.get("tabSize"), options.get("insertSpaces"))
        document.around = replace(document.around, options=unit)
    ls.neighbours.touched(document, position.line)
    popup = _popup(document, selected) if selected is not None else None
    began = time.perf_counter()
    try:
        answer = await ls.completer.suggest(
            document,
            position.line,
            position.character,
            automatic=automatic,
            popup=popup,
            patience=patience,
        )
    except asyncio.CancelledError:
        if ls.completer.loaded.is_set():
            _show(ls, ls.completer.well)
        raise
    _show(ls, answer.status)
    language = answer.snapshot.language or answer.snapshot.language_id
    ms = (time.perf_counter() - max(began, ls.loading.done_at)) * 1000
    ls.acceptance.shown(language, answer.suggestions, ms)
    return answer


def _accept(ls: InfillServer, suggestion: str, length: int | None) -> None:
    """The editor inserted a suggestion, or a part of `length` units from its text's start."""
    if length is not None:
        length = within(ls.acceptance.text_of(suggestion), length, ls.documents.encoding)
    whole = ls.acceptance.accepted(suggestion, length)
    ls.accepted += whole
    if whole:
        for document in ls.documents.values():  # an id does not say whose it is
            ls.completer.prefetch(document, suggestion)


def _show(ls: InfillServer, status: Status) -> None:
    """A request's outcome; others may still be running."""
    ls.status.show(replace(status, busy=status.busy or ls.completer.running))


def _popup(document: Document, selected: types.SelectedCompletionInfo) -> Popup:
    snapshot, where = document.snapshot(), selected.range
    return Popup(
        snapshot.offset_at(where.start.line, where.start.character),
        snapshot.offset_at(where.end.line, where.end.character),
        selected.text,
    )


def _shows_markdown(client: types.ClientCapabilities) -> bool:
    completion = client.text_document.completion if client.text_document else None
    item = completion.completion_item if completion else None
    return types.MarkupKind.Markdown in ((item and item.documentation_format) or ())
