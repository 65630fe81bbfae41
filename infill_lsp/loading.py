"""The model of one connection: taken as the settings ask for it, watched while it loads, given back.

What the user hears of it meanwhile, and when requests need not wait any longer. Engines are shared
with other connections (`engines`).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from engine import (
    AUTO,
    EngineConfig,
    EngineError,
    EngineInfo,
    InfillEngine,
    damaged_files,
    known_models,
)
from infill_lsp.completer import Completer, engine_status
from infill_lsp.engines import Engines
from infill_lsp.messages import log, tell
from infill_lsp.settings import engine_config
from infill_lsp.status import Status, StatusLine

DAMAGED = (
    "the files of the model {model} are damaged ({files}); it is not used. Fetch it again, or reinstall"
    " infill-lsp, and restart"
)

Run = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Runs something beside the requests, until the connection ends."""


_tokens = itertools.count(1)


def loaded_name(wanted: str, info: EngineInfo) -> str:
    """The known model, or the folder, whose files were loaded when `wanted` was asked for."""
    if info.instead:
        return "bundled"
    if wanted != AUTO:
        return wanted
    known = {model.name for model in known_models()}
    return info.model if info.model in known else "bundled"


class Loading:
    """Gives the completer its engine. Used from the event loop's thread only."""

    def __init__(
        self,
        ls: LanguageServer,
        engines: Engines,
        completer: Completer,
        status: StatusLine,
        run: Run,
    ) -> None:
        self.config: EngineConfig | None = None
        """Of the engine that is held; None: there is none."""
        self.done_at = 0.0
        """By `time.perf_counter()`; what a request waited before is no latency of the model's."""
        self._ls, self._engines, self._run = ls, engines, run
        self._completer, self._status = completer, status
        self._progress_token: str | None = None
        self._instead = ""

    def start(self, instead: str = "") -> None:
        """Start the engine that the settings ask for, in place of the one before.

        instead: why that cannot be, and the bundled one is to stand in.
        """
        if self.config is not None:  # else requests wait for the first one
            self.release()
        self._completer.loaded.clear()
        config = engine_config(self._completer.settings)
        self._instead = instead
        if instead:
            config = replace(config, model="bundled")
        try:
            engine = self._engines.acquire(config, self._report, self.start)
        except EngineError as error:
            self._failed(error)
            return
        self.config, self._completer.engine = config, engine
        if (waiting := engine_status(engine)) is not None:
            self._status.show(waiting)
        self._run(self._watch(engine))

    def renew(self, *models: str) -> None:
        """Start anew, in all windows, what was asked for by these names: a model came to this machine."""
        self._engines.renew(*models)

    def release(self) -> None:
        """End all requests, and hold no engine any more."""
        self._completer.reset()
        self._completer.engine = None
        if self.config is not None:
            self._engines.release(self.config, self._report)
            self.config = None

    def _report(self, share: float, what: str) -> None:
        """Told by the engine how far it is."""
        engine = self._completer.engine
        if engine is None or engine.ready.done():
            return
        message = f"the model is loading: {share:.0%}, {what}"
        self._status.show(Status("Normal", message, busy=True))
        if self._progress_token is not None:
            report = types.WorkDoneProgressReport(message=what, percentage=round(100 * share))
            self._ls.work_done_progress.report(self._progress_token, report)

    async def _watch(self, engine: InfillEngine) -> None:
        # Shielded, since `ready` is shared: one connection's end must not cancel it for others.
        ready = asyncio.shield(asyncio.wrap_future(engine.ready))
        progress = self._run(self._show_progress())
        try:
            info = await ready
        except EngineError as error:
            if self._completer.engine is engine:
                self._failed(error)
        else:
            if self._completer.engine is engine:
                self._done(info)
        finally:
            progress.cancel()

    async def _show_progress(self) -> None:
        """A progress report until it is cancelled, where the client shows such."""
        window = self._ls.client_capabilities.window
        if not (window and window.work_done_progress):
            return
        token = f"infill-loading-{next(_tokens)}"
        begin = types.WorkDoneProgressBegin(
            title="infill", message="loading the model", percentage=0
        )
        try:
            await self._ls.work_done_progress.create_async(token)
            self._ls.work_done_progress.begin(token, begin)
            self._progress_token = token
            await asyncio.Event().wait()
        except JsonRpcException:
            return
        except asyncio.CancelledError:
            # Also without a beginning: Helix turns its wheel from the creation on.
            self._progress_token = None
            self._ls.work_done_progress.end(token, types.WorkDoneProgressEnd())
            raise

    def _done(self, info: EngineInfo) -> None:
        if instead := info.instead or self._instead:
            why = f"the bundled model stands in: {instead}"
            self._completer.well = Status("Warning", why)
            tell(self._ls, types.MessageType.Warning, f"infill-lsp: {why}")
        else:
            why = f" ({info.chosen})" if info.chosen else ""
            self._completer.well = Status("Normal", f"{info.model} on {info.device}{why}")
        self._status.show(self._completer.well)
        self.done_at = time.perf_counter()
        self._completer.loaded.set()
        self._run(self._check(self._completer.engine, info))
        message = f"{info.model} loaded on {info.device} in {info.load_seconds:.1f} s"
        log(self._ls, types.MessageType.Info, message)

    async def _check(self, engine: InfillEngine | None, info: EngineInfo) -> None:
        """Look through the files, beside the requests; a model of damaged ones is not used."""
        model = "bundled" if self.config is None else loaded_name(self.config.model, info)
        damaged = await asyncio.to_thread(damaged_files, model)
        if not damaged or self._completer.engine is not engine:
            return
        why = DAMAGED.format(model=model, files=", ".join(damaged))
        if self.config is not None and self.config.model == AUTO and model != "bundled":
            self.start(instead=why)
        else:
            self.release()
            self._failed(EngineError(why))

    def _failed(self, error: EngineError) -> None:
        self._status.show(Status("Error", str(error)))
        self._completer.loaded.set()
        tell(self._ls, types.MessageType.Error, f"infill-lsp: {error}")
