"""Commands about models that are not here yet: what to offer the user, and fetching it.

Fetching takes minutes and a core, so it is a process of its own: it blocks no request, and what ends it
ends no server.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import replace

import psutil
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

import engine
from engine import KnownModel
from infill_lsp import offers
from infill_lsp.messages import log
from infill_lsp.progress import progress
from infill_lsp.session import InfillServer

OFFER, GET = "infill.offer", "infill.getModel"
FETCH = (sys.executable, "-P", "-m", "infill_lsp.cli", "models", "get", "--json")
"""Fetches the model that is named behind it; see `commands.models.get` for what it writes."""
REQUEST_FAILED = -32803
LONGEST_LINE = 1 << 16


def add_fetching(server: InfillServer) -> None:
    """Register the commands."""

    @server.command(OFFER)
    def offer(ls: InfillServer) -> dict[str, object] | None:
        """The model to offer the user now, once on this machine; null: none."""
        loaded = ls.completer.engine
        if loaded is None or not loaded.ready.done() or loaded.ready.exception() is not None:
            return None
        name = loaded.ready.result().offer
        if not name or not offers.take(name):
            return None
        model = _model(name)
        return {
            "model": name,
            "title": model.title,
            "bytes": model.download_bytes,
            "licence": model.licence,
            "message": offers.text(model),
        }

    @server.command(GET)
    async def get_model(ls: InfillServer, *names: object) -> dict[str, object]:
        """[name]: fetch a model, the larger one of the bundled one's kind when none is named. Answers when
        it is there, or raises."""
        name = (
            names[0] if names else next(m.name for m in engine.known_models() if m.download_bytes)
        )
        if not isinstance(name, str):
            raise JsonRpcInvalidParams(f"{GET}: the model's name must be a text")
        model = _model(name)
        await _fetched(ls, model)
        wanted = ls.completer.settings.model
        ls.loading.renew("auto", name)
        if wanted in ("auto", name):
            return {"model": name, "message": f"{model.title} is here"}
        hint = "set infill.model to auto to use it"
        return {"model": name, "message": f"{model.title} is here; {hint}"}


def _model(name: str) -> KnownModel:
    models = {model.name: model for model in engine.known_models()}
    if name not in models:
        raise JsonRpcInvalidParams(
            f"{GET}: there is no model {name}; known are {', '.join(models)}"
        )
    return models[name]


async def _fetched(ls: InfillServer, model: KnownModel) -> None:
    """Run the process to its end, with progress. Cancelling ends it; JsonRpcException when it fails."""
    child = await asyncio.create_subprocess_exec(
        *FETCH,
        model.name,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    _give_way(child.pid)
    ls.run(_end_with_connection(child, model.name))
    assert child.stdout is not None
    assert child.stderr is not None
    said = asyncio.ensure_future(child.stderr.read())
    try:
        async with progress(ls, f"fetching {model.title}") as report:
            shown = -1
            async for line in child.stdout:
                entry = json.loads(line)
                if "said" in entry:
                    log(ls, types.MessageType.Info, entry["said"])
                elif (percent := int(100 * entry["share"])) > shown:
                    shown = percent
                    report(percent, 100, entry["what"])
                    message = f"{model.name}: {percent} %, {entry['what']}"
                    ls.status.show(replace(ls.completer.well, message=message))
        code = await child.wait()
        lines = (await said).decode(errors="replace").splitlines()
    finally:
        _end(child)
        said.cancel()
        ls.status.show(ls.completer.well)
    if code:
        why = lines[-1].removeprefix("infill-lsp: ") if lines else f"the process ended with {code}"
        raise JsonRpcException(why, REQUEST_FAILED)


async def _end_with_connection(child: asyncio.subprocess.Process, name: str) -> None:
    try:
        await child.wait()
    except asyncio.CancelledError:
        offers.give_back(name)
        _end(child)
        raise


def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.terminate()


def _give_way(pid: int) -> None:
    """Let everything else have the processor first."""
    with suppress(psutil.Error):
        psutil.Process(pid).nice(
            getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 10)
        )  # Windows' name
