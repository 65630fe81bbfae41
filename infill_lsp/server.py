"""A connection's server: its life cycle, and commands that ask or tell the session something.

Requests for suggestions are in `suggesting`, commands that change a document in `editing`.
"""

from __future__ import annotations

from dataclasses import asdict

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from infill_lsp import items
from infill_lsp.editing import add_editing
from infill_lsp.engines import Engines
from infill_lsp.fetching import add_fetching
from infill_lsp.session import InfillServer
from infill_lsp.status import Status
from infill_lsp.suggesting import add_fallback, add_suggesting

SNOOZE_MINUTES = 60.0


def make_server(engines: Engines) -> InfillServer:
    """A server for one connection."""
    server = InfillServer(engines)
    _add_life_cycle(server)
    add_suggesting(server)
    _add_commands(server)
    add_editing(server)
    add_fetching(server)
    return server


def _add_life_cycle(server: InfillServer) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(ls: InfillServer, params: types.InitializeParams) -> None:
        ls.watch_editor(params.process_id)
        ls.client_name = params.client_info.name if params.client_info else ""
        ls.set_layer("initialize", params.initialization_options)
        wanted = ls.completer.settings.completion_fallback
        text_document = params.capabilities.text_document
        has_inline = text_document is not None and text_document.inline_completion is not None
        if wanted == "always" or (wanted == "auto" and not has_inline):
            add_fallback(ls)

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


def _add_commands(server: InfillServer) -> None:
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
        document = ls.documents.get(uris[0])
        return items.explained(ls.neighbours.explain(document.uri if document else uris[0]))

    @server.command("infill.watch")
    def watch(ls: InfillServer, *wanted: object) -> None:
        """true: send `infill/refinement` for each step of each fill from now on; false: no more."""
        if len(wanted) != 1 or not isinstance(wanted[0], bool):
            raise JsonRpcInvalidParams("infill.watch: give true or false")
        ls.refinement.wanted = wanted[0]

    @server.command("infill.reload")
    def reload(ls: InfillServer) -> None:
        """Start the engine again, e.g. after its model was mended."""
        ls.loading.start()
