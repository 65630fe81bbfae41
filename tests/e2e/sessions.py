"""One editor's session with the server, and the server as a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from lsprotocol import types
from lsprotocol.converters import get_converter
from pytest_lsp import LanguageClient

ROOT = Path(__file__).resolve().parents[2]
SERVER = [sys.executable, str(ROOT / "tests" / "e2e" / "serve_fake.py")]
SECONDS = 20.0
"""How long a test waits for something that should come at once."""


def capabilities(client: str) -> types.ClientCapabilities:
    """What a real editor declares: `vscode`, `neovim-0.12` or `neovim-0.11`."""
    captured = json.loads((ROOT / "fixtures" / "clients" / f"{client}.json").read_text())
    return get_converter().structure(captured["capabilities"], types.ClientCapabilities)


def client_info(client: str) -> types.ClientInfo:
    """How that editor calls itself."""
    captured = json.loads((ROOT / "fixtures" / "clients" / f"{client}.json").read_text())
    return get_converter().structure(captured["clientInfo"], types.ClientInfo)


def frame(message: Any) -> bytes:
    """A message as it is on the wire."""
    body = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def inline_params(uri: str, line: int, character: int, **document: Any) -> dict[str, Any]:
    """Parameters of an automatic inline completion request, as JSON."""
    return {
        "textDocument": {"uri": uri, **document},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 2},
    }


class Session:
    """One client's connection, with what tests ask most."""

    def __init__(self, client: LanguageClient, journal: Path, folder: str) -> None:
        self.client = client
        self.folder = folder
        self.result: types.InitializeResult
        self.statuses: list[Any] = []
        self._news = asyncio.Event()
        self._journal = journal

        self.registered: list[str] = []

        @client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def register(params: types.RegistrationParams) -> None:
            self.registered += [entry.method for entry in params.registrations]

        @client.feature("didChangeStatus")
        def changed(params: Any) -> None:
            self.statuses.append(params)
            self._news.set()

    def open(self, text: str, name: str = "a.py", language: str = "python") -> str:
        uri = f"{self.folder}/{name}"
        document = types.TextDocumentItem(uri, language, 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        return uri

    def change(self, uri: str, version: int, *changes: tuple[int, int, int, int, str]) -> None:
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(version, uri),
                [
                    types.TextDocumentContentChangePartial(
                        types.Range(types.Position(l0, c0), types.Position(l1, c1)), text
                    )
                    for l0, c0, l1, c1, text in changes
                ],
            )
        )

    async def inline(
        self,
        uri: str,
        line: int,
        character: int,
        *,
        invoked: bool = False,
        selected: types.SelectedCompletionInfo | None = None,
    ) -> list[types.InlineCompletionItem]:
        kind = types.InlineCompletionTriggerKind(1 if invoked else 2)
        result = await asyncio.wait_for(
            self.client.text_document_inline_completion_async(
                types.InlineCompletionParams(
                    context=types.InlineCompletionContext(kind, selected),
                    text_document=types.TextDocumentIdentifier(uri),
                    position=types.Position(line, character),
                )
            ),
            SECONDS,
        )
        assert isinstance(result, types.InlineCompletionList), "never null"
        return list(result.items)

    def send(self, *messages: dict[str, Any]) -> list[asyncio.Future[Any]]:
        """Write messages as they are, in one packet; futures for the answers to requests."""
        packet, answers = b"", []
        for message in messages:
            packet += frame({"jsonrpc": "2.0", **message})
            if "id" in message:
                answer: Future[Any] = Future()
                self.client.protocol._request_futures[message["id"]] = answer
                answers.append(asyncio.wrap_future(answer))
        self.client.protocol.writer.write(packet)
        return answers

    async def command(self, name: str, *arguments: Any) -> Any:
        params = types.ExecuteCommandParams(name, list(arguments))
        return await asyncio.wait_for(self.client.workspace_execute_command_async(params), SECONDS)

    async def status(self, says: Callable[[Any], bool] | str) -> Any:
        """Wait until a status says this (text: is part of its message)."""
        wanted = (lambda status: says in status.message) if isinstance(says, str) else says

        async def seen() -> Any:
            while True:
                for status in self.statuses:
                    if wanted(status):
                        return status
                self._news.clear()
                await self._news.wait()

        return await asyncio.wait_for(seen(), SECONDS)

    async def ready(self) -> None:
        await self.status("fake on cpu")

    def journal(self, event: str | None = None) -> list[dict[str, Any]]:
        """What the engine wrote down."""
        lines = self._journal.read_text().splitlines() if self._journal.exists() else []
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if event in (None, entry["event"])]

    async def journalled(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until the engine wrote down so many of these."""
        async with asyncio.timeout(SECONDS):
            while len(entries := self.journal(event)) < count:
                await asyncio.sleep(0.005)
        return entries


Connect = Callable[..., Awaitable[Session]]


def listening(*options: str) -> Iterator[tuple[str, int]]:
    """A server process on a free port, ended afterwards."""
    process = subprocess.Popen(
        [*SERVER, *options], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    host, _, port = said.rpartition(" ")[2].strip().rpartition(":")
    assert port.isdigit(), said
    yield host, int(port)
    process.terminate()
    process.wait(SECONDS)
    process.stderr.close()


@asynccontextmanager
async def running(
    client: LanguageClient, transport: str, address: tuple[str, int]
) -> AsyncIterator[None]:
    if transport == "tcp":
        await client.start_tcp(*address)
    else:
        await client.start_io(*SERVER, f"--{transport}")
    try:
        yield
        async with asyncio.timeout(SECONDS):
            await client.shutdown_session()
    finally:
        await client.stop()


def shared_servers(runtime: Path) -> list[psutil.Process]:
    """The shared servers that listen in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "--shared" in line and line[-1].startswith(str(runtime)):
            found.append(process)
    return found
