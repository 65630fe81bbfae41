"""The server's half of `infill-lsp bench`: a real subprocess, asked as an editor asks."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled
from pygls.lsp.client import LanguageClient

from engine import EngineConfig

Row = tuple[str, float, str, str]
"""Name, median, unit, what it is meant to be."""

URI = "file:///bench/bench.py"
LOADING_LIMIT = 120.0
SETTLED, SETTLING_LIMIT = 5, 60
"""Seconds without a change in memory that mean it has settled, and the most to wait for that."""


def measure(config: EngineConfig, source: str, repeats: int) -> Iterator[Row]:
    """Start-up, a key and its answer over the protocol, cancellation, memory."""
    starts, readies = [], []
    for _ in range(min(3, repeats)):
        answered, ready, _ = asyncio.run(_session(config, source, 0))
        starts.append(answered)
        readies.append(ready)
    *_, rows = asyncio.run(_session(config, source, repeats))
    yield "server: start to initialize answered", statistics.median(starts), "ms", "≤ 500"
    yield "server: start to model ready", statistics.median(readies), "ms", "≤ 6,000"
    yield from rows


def waiting_client() -> tuple[LanguageClient, asyncio.Event]:
    """A client, and what is set once its server says that the model is there."""
    client = LanguageClient("infill-bench", "1")
    loaded = asyncio.Event()

    @client.feature("didChangeStatus")  # type: ignore[untyped-decorator]
    def _status(params: Any) -> None:
        if params.kind == "Normal" and not params.busy:
            loaded.set()

    @client.feature(types.WINDOW_LOG_MESSAGE)  # type: ignore[untyped-decorator]
    def _log(params: types.LogMessageParams) -> None:
        pass

    return client, loaded


async def _session(
    config: EngineConfig, source: str, repeats: int
) -> tuple[float, float, list[Row]]:
    """One server's life. Milliseconds to `initialize`'s answer, to the model; and the rest."""
    client, loaded = waiting_client()
    began = time.perf_counter()
    await client.start_io(sys.executable, "-m", "infill_lsp.cli", "--standalone")
    await client.initialize_async(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(),
            initialization_options={
                "model": config.model,
                "device": config.device,
                "threads": config.threads,
            },
        )
    )
    answered = (time.perf_counter() - began) * 1e3
    client.initialized(types.InitializedParams())
    await asyncio.wait_for(loaded.wait(), LOADING_LIMIT)
    ready = (time.perf_counter() - began) * 1e3
    rows = await _use(client, source, repeats) if repeats else []
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()  # type: ignore[no-untyped-call]
    return answered, ready, rows


async def _use(client: LanguageClient, source: str, repeats: int) -> list[Row]:
    """Type in a long file, ask, cancel."""
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "python", 0, source))
    )
    line = source.count("\n") // 2
    answers, cancels = [], []
    for version in range(1, repeats + 2):
        _insert(client, version, line, f"value_{version} = \n")
        place = types.Position(line, len(f"value_{version} = "))
        began = time.perf_counter()
        await client.text_document_inline_completion_async(_params(place))
        answers.append((time.perf_counter() - began) * 1e3)
    for version in range(repeats + 2, 2 * repeats + 2):
        _insert(client, version, line, "\n")
        name = f"cancelled-{version}"
        request = client.protocol.send_request(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, _params(types.Position(line, 0)), msg_id=name
        )
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        client.cancel_request(types.CancelParams(name))
        try:
            await asyncio.wrap_future(request)
        except JsonRpcRequestCancelled:
            cancels.append((time.perf_counter() - began) * 1e3)
    assert client._server is not None
    server = psutil.Process(client._server.pid)
    memory = server.memory_info().rss / 1e6
    settled = await _settled(server)
    return [
        ("server: a key to its answer, warm", statistics.median(answers[1:]), "ms", ""),
        ("server: cancellation answered", statistics.median(cancels), "ms", "≤ 50 and a forward"),
        ("server: memory", memory, "MB", "≤ 700"),
        ("  at rest, with the longest prompt", settled, "MB", ""),
    ]


async def _settled(server: psutil.Process) -> float:
    """Megabytes once the prompt has grown in the background and freed memory was given back."""
    sizes: list[float] = []
    while len(sizes) < SETTLING_LIMIT:
        sizes.append(server.memory_info().rss / 1e6)
        if len(sizes) > SETTLED and max(sizes[-SETTLED:]) - min(sizes[-SETTLED:]) < 1:
            break
        await asyncio.sleep(1)
    return sizes[-1]


def _insert(client: LanguageClient, version: int, line: int, text: str) -> None:
    at = types.Position(line, 0)
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(version, URI),
            [types.TextDocumentContentChangePartial(types.Range(at, at), text)],
        )
    )


def _params(place: types.Position) -> types.InlineCompletionParams:
    return types.InlineCompletionParams(
        types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
        types.TextDocumentIdentifier(URI),
        place,
    )
