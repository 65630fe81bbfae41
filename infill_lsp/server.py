"""The protocol's methods: each handler unpacks what an editor sent, asks, and packs the answer."""

from __future__ import annotations

from dataclasses import asdict

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from infill_lsp import items
from infill_lsp.editing import add_editing
from infill_lsp.engines import Engines
from infill_lsp.session import InfillServer
from infill_lsp.status import Status

SNOOZE_MINUTES = 60.0
TRIGGER_CHARACTERS = (".", "(", "=", " ")
"""For `textDocument/completion`; words trigger it anyway."""
LOADING_PATIENCE = 8.0
"""Seconds that grey text is waited for while the model loads. Emacs' lsp-mode gives up after ten."""


def make_server(engines: Engines) -> InfillServer:
    """A server for one connection."""
    server = InfillServer(engines)
    _add_life_cycle(server)
    _add_suggestions(server)
    _add_commands(server)
    add_editing(server)
    return server


def _add_life_cycle(server: InfillServer) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(ls: InfillServer, params: types.InitializeParams) -> None:
        ls.client_name = params.client_info.name if params.client_info else ""
        ls.set_layer("initialize", params.initialization_options)
        wanted = ls.completer.settings.completion_fallback
        text_document = params.capabilities.text_document
        has_inline = text_document is not None and text_document.inline_completion is not None
        if wanted == "always" or (wanted == "auto" and not has_inline):
            _add_fallback(ls)

    @server.feature(types.INITIALIZED)
    def initialized(ls: InfillServer, _params: types.InitializedParams) -> None:
        ls.run(ls.start())

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def changed(ls: InfillServer, params: types.DidChangeConfigurationParams) -> None:
        workspace = ls.client_capabilities.workspace
        if workspace and workspace.configuration:
            await ls.pull_settings()
        else:
            ls.set_layer("client", params.settings)

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    async def folders_changed(
        ls: InfillServer, _params: types.DidChangeWorkspaceFoldersParams
    ) -> None:
        await ls.start_project()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def files_changed(ls: InfillServer, params: types.DidChangeWatchedFilesParams) -> None:
        ls.neighbours.files_changed([change.uri for change in params.changes])

    @server.feature(types.SHUTDOWN)
    def shutdown(ls: InfillServer, _params: None) -> None:
        ls.completer.reset()

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(_params: types.DidSaveTextDocumentParams) -> None:
        """Announced, so that clients need not be told apart; nothing depends on it yet."""


def _add_suggestions(server: InfillServer) -> None:
    # Without options the capability would not be announced.
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(
        ls: InfillServer, params: types.InlineCompletionParams
    ) -> types.InlineCompletionList:
        kind = params.context.trigger_kind
        answer = await ls.suggest(
            params.text_document,
            params.position,
            automatic=kind is types.InlineCompletionTriggerKind.Automatic,
            selected=params.context.selected_completion_info,
            patience=LOADING_PATIENCE,
        )
        if answer is None:
            return types.InlineCompletionList(items=[])
        return items.inline_items(answer.suggestions, answer.snapshot)


def _add_fallback(server: InfillServer) -> None:
    options = types.CompletionOptions(trigger_characters=list(TRIGGER_CHARACTERS))

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, options)
    async def completion(ls: InfillServer, params: types.CompletionParams) -> types.CompletionList:
        if ls.completer.settings.completion_fallback == "never":
            return types.CompletionList(is_incomplete=False, items=[])
        # A completion menu cannot tell "asked for" from "typed a letter": both are kind 1.
        # Nor may it wait for the model: a client may hold back other servers' entries until then.
        answer = await ls.suggest(params.text_document, params.position, automatic=True)
        if answer is None:
            return types.CompletionList(is_incomplete=True, items=[])
        return items.completion_items(
            answer.suggestions, answer.snapshot, markdown=_shows_markdown(ls.client_capabilities)
        )


def _add_commands(server: InfillServer) -> None:
    @server.command(items.ACCEPTED)
    def accepted(ls: InfillServer, *item: object) -> None:
        """The item's id; and how much of its text was inserted, counted from its start in units of
        the position encoding, when it was not all."""
        suggestion, length = (*item, None, None)[:2]
        if length is not None and (not isinstance(length, int) or length < 1):
            raise JsonRpcInvalidParams("infill.accepted: the length must be a whole number from 1")
        ls.accept(str(suggestion), length)

    @server.command("infill.snooze")
    def snooze(ls: InfillServer, *minutes: object) -> None:
        """Minutes of silence (60 when not given); 0 ends it."""
        wanted = minutes[0] if minutes else SNOOZE_MINUTES
        if not isinstance(wanted, (int, float)) or wanted < 0:
            raise JsonRpcInvalidParams("infill.snooze: minutes must be a number, 0 or more")
        ls.completer.snooze(wanted)
        message = f"snoozed for {wanted:g} minutes"
        ls.status.show(Status("Inactive", message) if wanted else ls.completer.well)

    @server.command("infill.status")
    def status(ls: InfillServer) -> dict[str, object]:
        return {**asdict(ls.status.current), "accepted": ls.accepted}

    @server.command("infill.explainContext")
    def explain_context(ls: InfillServer, *uris: object) -> dict[str, object]:
        """What of other files stands in a document's prompts, and what was left out and why."""
        if len(uris) != 1 or not isinstance(uris[0], str):
            raise JsonRpcInvalidParams("infill.explainContext: give one document's URI")
        return items.explained(ls.neighbours.explain(uris[0]))

    @server.command("infill.watch")
    def watch(ls: InfillServer, *wanted: object) -> None:
        """true: send `infill/refinement` for each step of each fill from now on; false: no more."""
        if len(wanted) != 1 or not isinstance(wanted[0], bool):
            raise JsonRpcInvalidParams("infill.watch: give true or false")
        ls.refinement.wanted = wanted[0]

    @server.command("infill.reload")
    def reload(ls: InfillServer) -> None:
        """Start the engine again, e.g. after its model was mended."""
        ls.start_engine()


def _shows_markdown(client: types.ClientCapabilities) -> bool:
    completion = client.text_document.completion if client.text_document else None
    item = completion.completion_item if completion else None
    return types.MarkupKind.Markdown in ((item and item.documentation_format) or ())
