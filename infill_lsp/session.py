"""One connection's state: its documents, settings, completer, status and share of the engines.

Nothing is decided here about what to suggest (`completion`), how a message looks on the wire
(`protocol`) or which method gets what (`server`).
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import time
from collections.abc import Coroutine
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.exceptions import FeatureRequestError, JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter

from engine import EngineConfig, EngineError, EngineInfo, InfillEngine
from infill_lsp import settings
from infill_lsp.acceptance import Acceptance
from infill_lsp.completer import Answer, Completer, engine_status
from infill_lsp.completion import Popup
from infill_lsp.documents import Change, Document
from infill_lsp.engines import Engines
from infill_lsp.positions import Encoding, within
from infill_lsp.project.neighbours import Neighbours
from infill_lsp.protocol import InfillProtocol
from infill_lsp.refinement import REFINEMENT, Refinement
from infill_lsp.status import DID_CHANGE_STATUS, Status, StatusLine
from infill_lsp.usage import Event, UsageLog

logger = logging.getLogger(__name__)

CONFIGURATION_SECONDS = 2.0
"""How long the engine's start waits for a client to answer `workspace/configuration`."""


class InfillServer(LanguageServer):
    """Lives as long as its connection; used from the event loop's thread only."""

    protocol: InfillProtocol

    def __init__(self, engines: Engines) -> None:
        super().__init__(
            "infill-lsp",
            importlib.metadata.version("infill-lsp"),
            protocol_cls=InfillProtocol,
            converter_factory=default_converter,
        )
        self.protocol.keeper = self
        self.documents: dict[str, Document] = {}
        self.completer = Completer(on_busy=lambda: self.status.busy())
        self.neighbours = Neighbours()
        self.completer.neighbours = self.neighbours.snippets
        self.completer.ignored = self.neighbours.ignored
        self.status = StatusLine(self._send_status)
        self.refinement = Refinement(lambda draft: self.protocol.notify(REFINEMENT, draft))
        self.completer.watcher = self.refinement.watcher
        self.accepted = 0
        self._usage = UsageLog()
        self._acceptance = Acceptance(self._count)
        self.client_name = ""
        self._engines = engines
        self._config: EngineConfig | None = None
        self._layers: dict[str, object] = {}
        self._reported: set[str] = set()
        self._progress_token: str | None = None
        self._loaded_at = 0.0
        """By `time.perf_counter()`; what a request waited before is no latency of the model's."""
        self._tasks: set[asyncio.Task[None]] = set()

    # Documents

    def open_document(self, params: types.DidOpenTextDocumentParams) -> None:
        """Begin to mirror a document."""
        opened = params.text_document
        self.documents[opened.uri] = Document(
            opened.uri,
            opened.text,
            version=opened.version,
            language_id=str(getattr(opened.language_id, "value", opened.language_id)),
            path=self._path_in_workspace(opened.uri),
            encoding=self._encoding,
        )
        self.neighbours.opened(self.documents[opened.uri])

    def change_document(self, params: types.DidChangeTextDocumentParams) -> None:
        """Follow the editor's changes."""
        document = self.documents.get(params.text_document.uri)
        if document is None:
            logger.warning("a change of a document that is not open is ignored")
            return
        changes = [_change(change) for change in params.content_changes]
        document.apply(changes, params.text_document.version)
        if changes and (where := changes[-1].range) is not None:
            self.neighbours.touched(document, where[0][0])

    def close_document(self, params: types.DidCloseTextDocumentParams) -> None:
        """Stop mirroring a document."""
        self.documents.pop(params.text_document.uri, None)
        self.neighbours.closed(params.text_document.uri)
        self.completer.close_document(params.text_document.uri)

    @property
    def _encoding(self) -> Encoding:
        chosen = self.workspace.position_encoding
        match str(getattr(chosen, "value", chosen)):
            case "utf-8":
                return "utf-8"
            case "utf-32":
                return "utf-32"
            case _:
                return "utf-16"

    def _path_in_workspace(self, uri: str) -> str:
        """Relative to the workspace folder that holds the file; empty when none does."""
        roots = [*self.workspace.folders, unquote(self.workspace.root_uri or "")]
        for root in roots:
            folder = root.rstrip("/") + "/"
            if root and unquote(uri).startswith(folder):
                return unquote(uri)[len(folder) :]
        return ""

    # Suggestions

    async def suggest(
        self,
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
        document = self.documents.get(where.uri)
        if document is None:
            self.status.show(Status("Warning", "the document was not opened"))
            return None
        asked_for = getattr(where, "version", None)
        if asked_for is not None and asked_for < document.version:
            self.status.show(replace(self.completer.well, message="the text changed meanwhile"))
            return None
        self.neighbours.touched(document, position.line)
        popup = _popup(document, selected) if selected is not None else None
        began = time.perf_counter()
        try:
            answer = await self.completer.suggest(
                document,
                position.line,
                position.character,
                automatic=automatic,
                popup=popup,
                patience=patience,
            )
        except asyncio.CancelledError:
            if self.completer.loaded.is_set():
                self._show(self.completer.well)
            raise
        self._show(answer.status)
        language = answer.snapshot.language or answer.snapshot.language_id
        ms = (time.perf_counter() - max(began, self._loaded_at)) * 1000
        self._acceptance.shown(language, answer.suggestions, ms)
        return answer

    def accept(self, suggestion: str, length: int | None) -> None:
        """The editor inserted a suggestion, or a part of `length` units from its text's start."""
        if length is not None:
            length = within(self._acceptance.text_of(suggestion), length, self._encoding)
        whole = self._acceptance.accepted(suggestion, length)
        self.accepted += whole
        if whole:
            for document in self.documents.values():  # an id does not say whose it is
                self.completer.prefetch(document, suggestion)

    def _count(self, event: Event) -> None:
        if self.completer.settings.statistics:
            self._usage.add(event)

    def _show(self, status: Status) -> None:
        """A request's outcome; others may still be running."""
        self.status.show(replace(status, busy=status.busy or self.completer.running))

    # Settings

    def set_layer(self, name: str, section: object) -> None:
        """Take over settings from one source, by rank: `initialize`, then `client`."""
        self._layers[name] = section
        ranked = [self._layers.get("initialize"), self._layers.get("client")]
        reading = settings.read(ranked)
        for problem in reading.problems:
            if problem not in self._reported:
                self._reported.add(problem)
                self._tell(types.MessageType.Warning, problem)
        self.neighbours.sources = reading.settings.project_context
        switched = bool(self.neighbours.sources) != bool(self.completer.settings.project_context)
        self.completer.settings = reading.settings
        if switched and self._config is not None:
            self.run(self.start_project())
        if self._config not in (None, settings.engine_config(reading.settings)):
            self.start_engine()

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

    # Engine

    async def start(self) -> None:
        """What follows `initialized`: settings from the client, then the engine."""
        workspace = self.client_capabilities.workspace
        changes = workspace.did_change_configuration if workspace else None
        if changes and changes.dynamic_registration:
            self.run(self._register_for_settings())
        if workspace and workspace.configuration:
            pull = self.run(self.pull_settings())
            await asyncio.wait({pull}, timeout=CONFIGURATION_SECONDS)
        self.start_engine()
        await self.start_project()

    async def start_project(self) -> None:
        """Begin to read the workspace's folders, where that is wanted; end it where it is not."""
        self.neighbours.set_folders(self.workspace.folders or [self.workspace.root_uri or ""])
        if not self.completer.settings.project_context:
            self.neighbours.stop()
            return
        workspace = self.client_capabilities.workspace
        watched = workspace.did_change_watched_files if workspace else None
        told = bool(watched and watched.dynamic_registration)
        await self.neighbours.start(watch=not told)
        if told:
            watcher = types.FileSystemWatcher("**/*")
            options = types.DidChangeWatchedFilesRegistrationOptions([watcher])
            await self._register("infill-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        for document in self.documents.values():
            self.neighbours.opened(document)

    def start_engine(self) -> None:
        """Start the engine that the settings ask for, in place of the one before."""
        if self._config is not None:  # else requests wait for the first one
            self._release_engine()
        self.completer.loaded.clear()
        config = settings.engine_config(self.completer.settings)
        try:
            engine = self._engines.acquire(config, self._loading)
        except EngineError as error:
            self._engine_failed(error)
            return
        self._config, self.completer.engine = config, engine
        if (waiting := engine_status(engine)) is not None:
            self.status.show(waiting)
        self.run(self._watch_loading(engine))

    def _loading(self, share: float, what: str) -> None:
        """Told by the engine how far it is."""
        engine = self.completer.engine
        if engine is None or engine.ready.done():
            return
        message = f"the model is loading: {share:.0%}, {what}"
        self.status.show(Status("Normal", message, busy=True))
        if self._progress_token is not None:
            report = types.WorkDoneProgressReport(message=what, percentage=round(100 * share))
            self.work_done_progress.report(self._progress_token, report)

    async def _watch_loading(self, engine: InfillEngine) -> None:
        # Shielded, since `ready` is shared: one connection's end must not cancel it for others.
        ready = asyncio.shield(asyncio.wrap_future(engine.ready))
        progress = self.run(self._show_progress())
        try:
            info = await ready
        except EngineError as error:
            if self.completer.engine is engine:
                self._engine_failed(error)
        else:
            if self.completer.engine is engine:
                self._engine_ready(info)
        finally:
            progress.cancel()

    async def _show_progress(self) -> None:
        """A progress report until it is cancelled, where the client shows such."""
        window = self.client_capabilities.window
        if not (window and window.work_done_progress):
            return
        token = f"infill-loading-{id(asyncio.current_task())}"
        begin = types.WorkDoneProgressBegin(
            title="infill", message="loading the model", percentage=0
        )
        try:
            await self.work_done_progress.create_async(token)
            self.work_done_progress.begin(token, begin)
            self._progress_token = token
            await asyncio.Event().wait()
        except JsonRpcException:
            return
        except asyncio.CancelledError:
            # Also without a beginning: Helix turns its wheel from the creation on.
            self._progress_token = None
            self.work_done_progress.end(token, types.WorkDoneProgressEnd())
            raise

    def _engine_ready(self, info: EngineInfo) -> None:
        if info.instead:
            why = f"the bundled model stands in: {info.instead}"
            self.completer.well = Status("Warning", why)
            self._tell(types.MessageType.Warning, f"infill-lsp: {why}")
        else:
            self.completer.well = Status("Normal", f"{info.model} on {info.device}")
        self.status.show(self.completer.well)
        self._loaded_at = time.perf_counter()
        self.completer.loaded.set()
        message = f"{info.model} loaded on {info.device} in {info.load_seconds:.1f} s"
        self._log(types.MessageType.Info, message)

    def _engine_failed(self, error: EngineError) -> None:
        self.status.show(Status("Error", str(error)))
        self.completer.loaded.set()
        self._tell(types.MessageType.Error, f"infill-lsp: {error}")

    def _release_engine(self) -> None:
        self.completer.reset()
        self.completer.engine = None
        if self._config is not None:
            self._engines.release(self._config, self._loading)
            self._config = None

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
        self._release_engine()
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
        self._log(types.MessageType.Error, f"internal error: {kind} in {place}")
        logger.error("internal error: %s in %s", kind, place)

    def _send_status(self, status: Status) -> None:
        self.protocol.notify(DID_CHANGE_STATUS, asdict(status))

    def _log(self, kind: types.MessageType, message: str) -> None:
        self.window_log_message(types.LogMessageParams(type=kind, message=message))

    def _tell(self, kind: types.MessageType, message: str) -> None:
        self._log(kind, message)
        self.window_show_message(types.ShowMessageParams(type=kind, message=message))


def _change(change: types.TextDocumentContentChangeEvent) -> Change:
    where = getattr(change, "range", None)
    if where is None:
        return Change(change.text)
    start, end = where.start, where.end
    return Change(change.text, ((start.line, start.character), (end.line, end.character)))


def _popup(document: Document, selected: types.SelectedCompletionInfo) -> Popup:
    snapshot, where = document.snapshot(), selected.range
    return Popup(
        snapshot.offset_at(where.start.line, where.start.character),
        snapshot.offset_at(where.end.line, where.end.character),
        selected.text,
    )
