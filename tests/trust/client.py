"""A bare client over TCP, without any library's checks: what it sends is what a test says."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from sessions import frame

from infill_lsp.framing import Frames

SECONDS = 30.0


class Client:
    """One connection; answers by id."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.ended = False
        self.notes: list[dict[str, Any]] = []
        """Notifications, the latest 200."""
        self._ids = itertools.count(1)
        self._waiting: dict[Any, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.ensure_future(self._read(reader))

    @classmethod
    async def open(cls, address: tuple[str, int], **settings: Any) -> Client:
        """Connect and initialize."""
        client = cls(*await asyncio.open_connection(*address))
        folder = settings.pop("folder", None)
        await client.ask(
            "initialize",
            {
                "processId": None,
                "rootUri": folder,
                "capabilities": {"textDocument": {"inlineCompletion": {}}},
                "initializationOptions": {"infill": settings},
            },
        )
        client.tell("initialized", {})
        return client

    def tell(self, method: str, params: Any) -> None:
        self.writer.write(frame({"jsonrpc": "2.0", "method": method, "params": params}))

    def begin(self, method: str, params: Any) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self.writer.write(
            frame({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        )
        return number, answer

    async def ask(self, method: str, params: Any) -> dict[str, Any]:
        """The whole answer, an error as well."""
        _, answer = self.begin(method, params)
        async with asyncio.timeout(SECONDS):
            return await answer

    async def status(self) -> dict[str, Any]:
        answer = await self.ask("workspace/executeCommand", {"command": "infill.status"})
        result: dict[str, Any] = answer["result"]
        return result

    async def ready(self) -> None:
        async with asyncio.timeout(SECONDS):
            while (status := await self.status())["busy"] or status["kind"] != "Normal":
                await asyncio.sleep(0.02)

    def open_document(self, uri: str, text: str) -> None:
        item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": item})

    async def suggest(self, uri: str, line: int, character: int) -> dict[str, Any]:
        return await self.ask("textDocument/inlineCompletion", inline(uri, line, character))

    async def close(self) -> None:
        self.writer.close()
        self._reading.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = Frames()
        while chunk := await reader.read(1 << 16):
            for body in frames.feed(chunk):
                message = json.loads(body)
                if "method" not in message:
                    waiting = self._waiting.pop(message.get("id"), None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                elif "id" in message:
                    self.writer.write(
                        frame({"jsonrpc": "2.0", "id": message["id"], "result": None})
                    )
                else:
                    self.notes = [*self.notes[-199:], message]
        self.ended = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the server ended the connection"))


def inline(uri: str, line: int, character: int) -> dict[str, Any]:
    return {
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 2},
    }
