"""One connection's state and settings, and its parts: open documents, completer, loading, status.

Nothing is decided here about what to suggest (`completion`), when a model is there (`loading`), how
a message looks on the wire (`protocol`) or which method gets what (`server`, `suggesting`, `editing`).
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
from collections.abc import Coroutine
from dataclasses import asdict, replace
from typing import Any

import psutil
from lsprotocol import types
from pygls.exceptions import FeatureRequestError, JsonRpcException
from pygls.lsp.server import LanguageServer

from infill_lsp import settings, structuring
from infill_lsp.acceptance import Acceptance
from infill_lsp.completer import Completer
from infill_lsp.documents import Document
from infill_lsp.engines import Engines
from infill_lsp.indentation import from_options
from infill_lsp.loading import Loading
from infill_lsp.messages import log, tell
from infill_lsp.open_documents import OpenDocuments
from infill_lsp.project.neighbours import Neighbours
from infill_lsp.protocol import InfillProtocol
from infill_lsp.refinement import REFINEMENT, Refinement
from infill_lsp.status import DID_CHANGE_STATUS, Status, StatusLine
from infill_lsp.usage import Event, UsageLog

logger = logging.getLogger(__name__)

EDITOR_SECONDS = 2.0
"""How often it is looked whether the editor is still there."""
CONFIGURATION_SECONDS = 2.0
"""How long the engine's start waits for a client to answer `workspace/configuration`."""


def process_of(pid: int) -> psutil.Process | None:
    """The process with this id; None where there is none, or it is not to be seen."""
    try:
        return psutil.Process(pid)
    except (psutil.Error, ValueError, OverflowError):
        return None


class InfillServer(LanguageServer):
    """Lives as long as its connection; used from the event loop's thread only."""

    protocol: InfillProtocol

    def __init__(self, engines: Engines) -> None:
        super().__init__(
            "infill-lsp",
            importlib.metadata.version("infill-lsp"),
            protocol_cls=InfillProtocol,
            notebook_document_sync=types.NotebookDocumentSyncOptions(
                [types.NotebookDocumentFilterWithNotebook(notebook="*")]
            ),
            converter_factory=structuring.converter,
        )
        self.completer = Completer(on_busy=lambda: self.status.busy())
        self.neighbours = Neighbours(on_trouble=self._show_trouble)
        self.completer.neighbours = self.neighbours.snippets
        self.completer.ignored = self.neighbours.ignored
        self.completer.contradiction = self.neighbours.contradiction
        self.completer.settle = self.neighbours.settle
        self.documents = OpenDocuments(self, self.completer, self.neighbours, self._ask_options)
        self.protocol.keeper = self.documents
        self.status = StatusLine(self._send_status)
        self.refinement = Refinement(lambda draft: self.protocol.notify(REFINEMENT, draft))
        self.completer.watcher = self.refinement.watcher
        self.loading = Loading(self, engines, self.completer, self.status, self.run)
        self.accepted = 0
        self._usage = UsageLog()
        self.acceptance = Acceptance(self._count)
        self.client_name = ""
        self._layers: dict[str, object] = {}
        self._reported: set[str] = set()
        self._told = False
        """Whether the client was asked to say which files change."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.abandoned = asyncio.Event()
        """Set when nobody is at the other end, although it is not closed."""

    # Settings

    def set_layer(self, name: str, section: object) -> None:
        """Take over settings from one source, by rank: `initialize`, then `client`."""
        self._layers[name] = section
        ranked = [self._layers.get("initialize"), self._layers.get("client")]
        reading = settings.read(ranked)
        for problem in reading.problems:
            if problem not in self._reported:
                self._reported.add(problem)
                tell(self, types.MessageType.Warning, problem)
        self.neighbours.sources = reading.settings.project_context
        switched = bool(self.neighbours.sources) != bool(self.completer.settings.project_context)
        self.neighbours.exclude(reading.settings.disabled_files)
        self.completer.settings = reading.settings
        if switched and self.loading.config is not None:
            self.run(self.start_project())
        if self.loading.config not in (None, settings.engine_config(reading.settings)):
            self.loading.start()

    async def pull_settings(self) -> None:
        """Ask the client for the section, where it can be asked."""
        item = types.ConfigurationItem(section=settings.SECTION)
        try:
            sections = await self.workspace_configuration_async(
                types.ConfigurationParams(items=[item])
            )
        except JsonRpcException:
            return
        if sections:
            self.set_layer("client", sections[0])

    def _ask_options(self, document: Document) -> None:
        """Ask how the editor indents in a document, where it can be asked: VS Code knows."""
        workspace = self.client_capabilities.workspace
        if workspace and workspace.configuration:
            self.run(self._pull_options(document))

    async def _pull_options(self, document: Document) -> None:
        sections = ("editor.tabSize", "editor.insertSpaces")
        items = [types.ConfigurationItem(document.uri, section) for section in sections]
        try:
            answer = await self.workspace_configuration_async(types.ConfigurationParams(items))
        except JsonRpcException:
            return
        if len(answer) == len(sections) and (unit := from_options(*answer)):
            document.around = replace(document.around, options=unit)

    # The start

    async def start(self) -> None:
        """What follows `initialized`: settings from the client, then the engine."""
        workspace = self.client_capabilities.workspace
        changes = workspace.did_change_configuration if workspace else None
        if changes and changes.dynamic_registration:
            self.run(self._register_for_settings())
        if workspace and workspace.configuration:
            pull = self.run(self.pull_settings())
            await asyncio.wait({pull}, timeout=CONFIGURATION_SECONDS)
        self.loading.start()
        await self.start_project()

    async def start_project(self) -> None:
        """Begin to read the workspace's folders: their sources where that is wanted, and their ignore
        rules."""
        self.neighbours.set_folders(self.workspace.folders or [self.workspace.root_uri or ""])
        wanted = bool(self.completer.settings.project_context)
        workspace = self.client_capabilities.workspace
        watched = workspace.did_change_watched_files if workspace else None
        told = bool(watched and watched.dynamic_registration)
        await self.neighbours.start(watch=wanted and not told, index=wanted)
        if told and not self._told:
            self._told = True
            watcher = types.FileSystemWatcher("**/*")
            options = types.DidChangeWatchedFilesRegistrationOptions([watcher])
            await self._register("infill-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        for document in self.documents.values():
            self.neighbours.opened(document)

    async def _register_for_settings(self) -> None:
        options = types.DidChangeConfigurationRegistrationOptions(section=settings.SECTION)
        await self._register("infill-settings", types.WORKSPACE_DID_CHANGE_CONFIGURATION, options)

    async def _register(self, name: str, method: str, options: object) -> None:
        """Ask the client to tell of something."""
        registration = types.Registration(name, method, options)
        try:
            await self.client_register_capability_async(types.RegistrationParams([registration]))
        except JsonRpcException:
            logger.info("the client does not announce %s", method)

    # The connection

    def watch_editor(self, pid: int | None) -> None:
        """End the connection when the editor's process is gone: its pipe may be held open by another one.
        Not where there is no such process from the start, as when it runs in another container."""
        local = self.protocol.token is None  # who comes through a port may be anywhere
        if pid is not None and local and (editor := process_of(pid)) is not None:
            self.run(self._until_gone(editor))

    async def _until_gone(self, editor: psutil.Process) -> None:
        while editor.is_running() and editor.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(EDITOR_SECONDS)
        logger.warning("the editor's process is gone; its connection is ended")
        self.abandoned.set()

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the requests; ends with the connection."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        """The connection is gone: nothing may run or be held for it any more."""
        self.protocol.writer = None
        for task in list(self._tasks):
            task.cancel()
        self.loading.release()
        self.neighbours.stop()
        self.documents.clear()
        self._usage.close()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log where a handler failed. Not what it said: that may quote a user's code."""
        if source is FeatureRequestError and getattr(error, "code", None) != -32603:
            return
        data = getattr(error, "data", None) or {}
        place = data.get("traceback", ["  unknown place"])[-1].split("\n")[0].strip()
        kind = str(error).partition(":")[0]
        log(self, types.MessageType.Error, f"internal error: {kind} in {place}")
        logger.error("internal error: %s in %s", kind, place)

    def _show_trouble(self, why: str) -> None:
        """Other files are not looked at; an empty text: they are again."""
        had, self.status.trouble = self.status.trouble, why
        if why != had:
            self.status.show(Status("Warning", why) if why else self.completer.well)

    def _send_status(self, status: Status) -> None:
        self.protocol.notify(DID_CHANGE_STATUS, asdict(status))

    def _count(self, event: Event) -> None:
        if self.completer.settings.statistics:
            self._usage.add(event)
