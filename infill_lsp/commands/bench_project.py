"""The other files' part of `infill-lsp bench`: a workspace of 5,000 real files, read and asked."""

from __future__ import annotations

import asyncio
import site
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import psutil
from lsprotocol import types

from engine import EngineConfig
from infill_lsp.commands import CommandError
from infill_lsp.commands.bench_server import LOADING_LIMIT, Row, waiting_client
from infill_lsp.context import gather
from infill_lsp.documents import Document
from infill_lsp.evaluation.scores import quantile
from infill_lsp.project.client import ProjectClient
from infill_lsp.project.scan import read_source
from infill_lsp.project.sources import question

FILES = 5000
QUESTIONS = 100
INDEXING_LIMIT = 600.0
PAUSE = 0.05
"""Seconds between two requests to a server whose project is being read."""


def measure(config: EngineConfig, files: int = FILES) -> Iterator[Row]:
    """Reading a workspace, what that takes, asking it, and the server meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        count = copy_workspace(folder, files)
        read = asyncio.run(_project(folder))
        yield f"{count} files read in the background", read.seconds, "s", "≤ 60"
        yield "  of it: work of one core", read.core_seconds, "s", ""
        yield "  its process: memory", read.megabytes, "MB", "≤ 200"
        yield "  pieces for a place, p95", quantile(read.answers, 0.95) or 0.0, "ms", "≤ 15"
        pings = asyncio.run(_server_meanwhile(folder, config))
        yield "  server meanwhile, p95", quantile(pings, 0.95) or 0.0, "ms", "≤ 100"


def copy_workspace(folder: Path, files: int) -> int:
    """Copy so many Python files of this installation, in their folders; how many there were."""
    places = [Path(sysconfig.get_paths()["stdlib"]), *map(Path, site.getsitepackages())]
    sources = chain.from_iterable(
        ((path, path.relative_to(place)) for path in sorted(place.rglob("*.py")))
        for place in places
    )
    seen: set[Path] = set()
    wanted = (
        (path, inside)
        for path, inside in sources
        if "site-packages" not in inside.parts and inside not in seen
    )
    for path, inside in islice(wanted, files):
        seen.add(inside)
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside).write_bytes(path.read_bytes())
    return len(seen)


@dataclass(frozen=True, slots=True)
class _Read:
    """What it took to read a workspace, and milliseconds of each answer afterwards."""

    seconds: float
    core_seconds: float
    megabytes: float
    answers: list[float]


async def _project(folder: Path) -> _Read:
    began = time.perf_counter()
    client = await ProjectClient.start(folder, watch=False)
    try:
        try:
            await asyncio.wait_for(client.indexed, INDEXING_LIMIT)
        except TimeoutError as error:
            raise CommandError(
                f"the files were not read within {INDEXING_LIMIT:.0f} s: end what else keeps this "
                "machine busy, and measure again"
            ) from error
        seconds = time.perf_counter() - began
        process = psutil.Process(client.pid)
        core_seconds = sum(process.cpu_times()[:2])
        answers = []
        paths = sorted(folder.rglob("*.py"))
        for path in paths[:: max(1, len(paths) // QUESTIONS)]:
            inside = path.relative_to(folder).as_posix()
            text = read_source(folder, inside)
            if text is None:
                continue
            document = Document(path.as_uri(), text, path=inside)
            context = gather(document.snapshot(), len(text) // 2)
            began = time.perf_counter()
            await client.answer(question(context))
            answers.append((time.perf_counter() - began) * 1e3)
        return _Read(seconds, core_seconds, process.memory_info().rss / 1e6, answers)
    finally:
        client.close()
        await client.wait_closed()


async def _server_meanwhile(folder: Path, config: EngineConfig) -> list[float]:
    """Milliseconds of requests that need no model, from its loading until all files are read."""
    client, loaded = waiting_client()
    await client.start_io(sys.executable, "-m", "infill_lsp.cli", "--standalone")
    options = {"model": config.model, "device": config.device, "threads": config.threads}
    await client.initialize_async(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(),
            root_uri=folder.as_uri(),
            initialization_options=options,
        )
    )
    client.initialized(types.InitializedParams())
    await asyncio.wait_for(loaded.wait(), LOADING_LIMIT)
    assert client._server is not None
    (project,) = psutil.Process(client._server.pid).children()
    pings: list[float] = []
    spent = -1.0
    while not pings or project.cpu_times().user > spent:
        spent = project.cpu_times().user
        for _ in range(20):
            began = time.perf_counter()
            await client.workspace_execute_command_async(
                types.ExecuteCommandParams("infill.status", [])
            )
            pings.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(PAUSE)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()  # type: ignore[no-untyped-call]
    return pings
