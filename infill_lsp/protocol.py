"""Messages in and out: pygls's protocol with its traps closed.

- A request always gets an answer: -32602 for wrong parameters (pygls is silent), -32700 for broken
  JSON, -32002 before `initialize`.
- Documents are the server's own; pygls's copies, which split lines on form feeds and U+2028, are
  never made.
- `exit` ends the connection, not the process.
- A command can be cancelled (pygls cancels only the wait for it).
- Everything is written from the event loop's thread, whoever sends it.
- Nothing that a client sent is logged.

Knows no suggestion and no setting; hands documents to the server.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
from contextvars import ContextVar
from typing import Any, Protocol

import cattrs
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.protocol import JsonRPCResponseMessage, LanguageServerProtocol, lsp_method

logger = logging.getLogger(__name__)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
NOT_INITIALIZED = -32002

work_done_token: ContextVar[types.ProgressToken | None] = ContextVar("token", default=None)
"""Under which the client wants to hear of a command's progress, while the command runs."""


class DocumentKeeper(Protocol):
    """Who mirrors the client's documents."""

    def open_document(self, params: types.DidOpenTextDocumentParams) -> None: ...

    def change_document(self, params: types.DidChangeTextDocumentParams) -> None: ...

    def close_document(self, params: types.DidCloseTextDocumentParams) -> None: ...


class InfillProtocol(LanguageServerProtocol):
    """One per connection."""

    keeper: DocumentKeeper
    exit_code: int | None = None
    """Set by `exit`: 0 after `shutdown`, else 1. The transport then ends the connection."""

    def receive(self, body: bytes) -> None:
        """Handle one message. Never raises for what a client may send."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            self.refuse(None, PARSE_ERROR, "the message is not JSON in UTF-8")
            return
        if not isinstance(data, dict) or data.get("jsonrpc") != "2.0":
            self.refuse(None, INVALID_REQUEST, "the message is not a JSON-RPC 2.0 object")
            return
        method, message_id = data.get("method"), data.get("id")
        if method is None:
            self._receive_response(data)
            return
        if not isinstance(method, str) or not isinstance(message_id, (int, str, type(None))):
            self.refuse(None, INVALID_REQUEST, "the method or the id has a wrong type")
            return
        if message_id is not None and (refusal := self._too_early_or_late(method)) is not None:
            self.refuse(message_id, *refusal)
            return
        if not self._handles(method):
            if message_id is not None:
                self.refuse(message_id, METHOD_NOT_FOUND, f"this server does not know {method}")
            return
        try:
            message = self._structure(method, data)
        except Exception as error:
            reason = f"wrong parameters for {method}: {_where(error)}"
            if message_id is not None:
                self.refuse(message_id, INVALID_PARAMS, reason)
            else:
                logger.warning("a notification is ignored: %s", reason)
            return
        self.handle_message(message)

    def _handles(self, method: str) -> bool:
        features = self.fm.builtin_features.keys() | self.fm.features.keys()
        return method in features or method == types.CANCEL_REQUEST

    def _structure(self, method: str, data: dict[str, Any]) -> Any:
        message: Any = self._converter.structure(data, types.METHOD_TO_TYPES[method][0])
        if method == types.TEXT_DOCUMENT_INLINE_COMPLETION:
            # Not in the specification, and dropped by the converter; clients made for Copilot's
            # server send it, and it tells a late request from a current one.
            version = data["params"]["textDocument"].get("version")
            if isinstance(version, int):
                uri = message.params.text_document.uri
                message.params.text_document = types.VersionedTextDocumentIdentifier(version, uri)
        return message

    def _receive_response(self, data: dict[str, Any]) -> None:
        message_id = data.get("id")
        if not isinstance(message_id, (int, str)):
            return
        future = self._request_futures.pop(message_id, None)
        kind = self._result_types.pop(message_id, None) or JsonRPCResponseMessage
        if future is None or future.done():
            return
        if (refusal := data.get("error")) is not None:
            code = refusal.get("code") if isinstance(refusal, dict) else None
            future.set_exception(JsonRpcException("the client refused", code=code))
            return
        try:
            future.set_result(self._converter.structure(data, kind).result)
        except Exception as error:
            future.set_exception(JsonRpcException(f"wrong result: {_where(error)}"))

    def _too_early_or_late(self, method: str) -> tuple[int, str] | None:
        if self._shutdown:
            return INVALID_REQUEST, "the server is shutting down"
        if self._workspace is None and method != types.INITIALIZE:
            return NOT_INITIALIZED, "the first request must be `initialize`"
        if self._workspace is not None and method == types.INITIALIZE:
            return INVALID_REQUEST, "`initialize` may be sent only once"
        return None

    def refuse(self, message_id: int | str | None, code: int, message: str) -> None:
        error = {"code": code, "message": message}
        self._send_data({"jsonrpc": self.VERSION, "id": message_id, "error": error})

    def set_writer(self, writer: Any, include_headers: bool = True) -> None:
        """As pygls's, and remembers the loop that may write. Call it in that loop."""
        super().set_writer(writer, include_headers)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def _send_data(self, data: Any) -> None:
        if self.writer is None:
            return
        if threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(self._send_data, data)
            return
        body = json.dumps(data, default=self._serialize_message).encode()
        if self._include_headers:
            body = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        try:
            self.writer.write(body)
        except OSError:  # the client is gone; the reader will notice
            self.writer = None

    def _handle_cancel_notification(self, msg_id: int | str) -> None:
        # An unknown id is usual: the answer was faster. pygls logs a warning for each.
        if (future := self._request_futures.get(msg_id)) is not None:
            future.cancel()

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # type: ignore[override]
        self, params: types.ExecuteCommandParams
    ) -> Any:
        """Run a command in the request's own task, so that cancelling the request cancels it."""
        handler = self.fm.commands.get(params.command)
        if handler is None:
            raise JsonRpcInvalidParams(f"there is no command {params.command}")
        work_done_token.set(params.work_done_token)
        result = handler(*(params.arguments or ()))
        return await result if inspect.isawaitable(result) else result

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: Any) -> None:  # type: ignore[override]
        """End this connection. Others may go on, so the process must not end here."""
        self.exit_code = 0 if self._shutdown else 1

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        self.keeper.open_document(params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        self.keeper.change_document(params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        self.keeper.close_document(params)


def _where(error: BaseException) -> str:
    """Which fields are wrong, without their values: they may be a user's code."""
    if isinstance(error, cattrs.BaseValidationError):
        found = cattrs.transform_error(error, path="", format_exception=lambda *_: "")
        places = [entry.split("@", 1)[-1].strip() for entry in found]
        return ", ".join(place.lstrip(".") for place in places[:3])
    return type(error).__name__
