"""Messages in and out: pygls's protocol with its traps closed.

- A request always gets an answer: -32602 for wrong parameters (pygls is silent), -32700 for broken
  JSON, -32002 before `initialize`.
- Documents are the server's own; pygls's copies, which split lines on form feeds and U+2028, are
  never made.
- `exit` ends the connection, not the process.
- A command can be cancelled (pygls cancels only the wait for it).
- Everything is written from the event loop's thread, whoever sends it.
- What cannot be followed ends the mirror of its document, not the connection; nothing that a client sends
  ends the connection but `exit` and a wrong token.
- Big messages are read beside the loop, and each step that holds it for long is named in the log.
- Nothing that a client sent is logged.

Knows no suggestion and no setting; hands documents to the server.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Protocol

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.protocol import JsonRPCResponseMessage, LanguageServerProtocol, lsp_method

from infill_lsp import access, structuring
from infill_lsp.watchdog import Watched, timed

logger = logging.getLogger(__name__)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_INITIALIZED = -32002

BIG = 128 * 1024
"""Bytes from which on a message is read beside the loop."""

work_done_token: ContextVar[types.ProgressToken | None] = ContextVar("token", default=None)
"""Under which the client wants to hear of a command's progress, while the command runs."""


class AskedDocument(types.TextDocumentIdentifier):
    """A request's document as some clients name it, with more than the protocol has."""

    version: int | None
    """None: not said."""
    formatting_options: dict[str, Any]
    """`tabSize` and `insertSpaces`, as `FormattingOptions` has them; empty where they are not said."""


class DocumentKeeper(Protocol):
    """Who mirrors the client's documents."""

    def open_document(self, params: types.DidOpenTextDocumentParams) -> None: ...

    def change_document(
        self, params: types.DidChangeTextDocumentParams
    ) -> Awaitable[None] | None: ...

    def lose_document(self, uri: str) -> None: ...

    def close_document(self, params: types.DidCloseTextDocumentParams) -> None: ...

    def open_notebook(self, params: types.DidOpenNotebookDocumentParams) -> None: ...

    def change_notebook(self, params: types.DidChangeNotebookDocumentParams) -> None: ...

    def close_notebook(self, params: types.DidCloseNotebookDocumentParams) -> None: ...


class InfillProtocol(LanguageServerProtocol):
    """One per connection."""

    keeper: DocumentKeeper
    exit_code: int | None = None
    """Set by `exit`: 0 after `shutdown`, else 1. The transport then ends the connection."""

    token: str | None = None
    """What a client's `initialize` must name (`initializationOptions.infill.token`), where not whoever can
    connect may ask."""
    _following: Awaitable[None] | None = None
    """Ends when a change of a document is taken over."""

    @property
    def initialized(self) -> bool:
        """Whether the client said `initialize`, and may ask."""
        return self._workspace is not None

    async def deliver(self, body: bytes) -> None:
        """Handle one message, and wait until the next one may be handled."""
        big = len(body) > BIG
        found = await asyncio.to_thread(self._read, body) if big else self._timed_read(body)
        self._handle(found)
        if self._following is not None:
            following, self._following = self._following, None
            await following

    def receive(self, body: bytes) -> None:
        """Handle one message. Never raises for what a client may send."""
        self._handle(self._timed_read(body))

    def _handle(self, found: tuple[dict[str, Any], Any] | None) -> None:
        if found is None:
            return
        data, message = found
        with timed(str(data.get("method", "a response"))[:80]):
            try:
                if message is None:
                    self._receive_response(data)
                else:
                    self.handle_message(message)
            except Exception as error:
                logger.error("internal error: %s", type(error).__name__)
                if data.get("id") is not None and message is not None:
                    self.refuse(data["id"], INTERNAL_ERROR, "internal error")

    def _timed_read(self, body: bytes) -> tuple[dict[str, Any], Any] | None:
        with timed("reading a message"):
            return self._read(body)

    def _read(self, body: bytes) -> tuple[dict[str, Any], Any] | None:
        """The message as JSON and structured (None for a response); None where it was refused."""
        try:
            data = structuring.decode(body)
        except (ValueError, RecursionError):
            self.refuse(None, PARSE_ERROR, "the message is not JSON in UTF-8")
            return None
        if not isinstance(data, dict) or data.get("jsonrpc") != "2.0":
            self.refuse(None, INVALID_REQUEST, "the message is not a JSON-RPC 2.0 object")
            return None
        method, message_id = data.get("method"), data.get("id")
        if method is None:
            return data, None
        if not isinstance(method, str) or not isinstance(message_id, (int, str, type(None))):
            self.refuse(None, INVALID_REQUEST, "the method or the id has a wrong type")
            return None
        refusal = self._refusal(method, data)
        if refusal is not None:
            if message_id is not None:
                self.refuse(message_id, *refusal)
            return None
        kind = types.METHOD_TO_TYPES[method][0]
        try:
            return data, self._structure(method, data, kind)
        except Exception:
            short = len(body) <= structuring.EXPLAINED
            why = structuring.wrong_fields(data, kind) if short else "too long to say which"
            reason = f"wrong parameters for {method}: {why}"
            if message_id is not None:
                self.refuse(message_id, INVALID_PARAMS, reason)
            else:
                logger.warning("a notification is ignored: %s", reason)
                if method == types.TEXT_DOCUMENT_DID_CHANGE:
                    self._lose(data)
            return None

    def _refusal(self, method: str, data: dict[str, Any]) -> tuple[int, str] | None:
        """Why a message is not even structured."""
        is_request = data.get("id") is not None
        if not is_request and not self.initialized and method != types.EXIT:
            return NOT_INITIALIZED, "nothing is heard before `initialize`"
        if is_request and (refusal := self._too_early_or_late(method)) is not None:
            return refusal
        if not self._handles(method):
            return METHOD_NOT_FOUND, f"this server does not know {method}"
        if is_request and method in _NOTIFICATIONS:
            return INVALID_REQUEST, f"{method} is a notification, and has no id"
        if method == types.INITIALIZE and not access.admits(self.token, data.get("params")):
            self.exit_code = 1
            return INVALID_REQUEST, access.WANTED
        return None

    def _lose(self, data: dict[str, Any]) -> None:
        """A change that cannot be read: what the document holds now, only the editor knows."""
        params = data.get("params")
        document = params.get("textDocument") if isinstance(params, dict) else None
        uri = document.get("uri") if isinstance(document, dict) else None
        if isinstance(uri, str):
            self._in_loop(lambda: self.keeper.lose_document(uri))

    def _handles(self, method: str) -> bool:
        features = self.fm.builtin_features.keys() | self.fm.features.keys()
        return method in features or method == types.CANCEL_REQUEST

    def _structure(self, method: str, data: dict[str, Any], kind: Any) -> Any:
        message: Any = self._converter.structure(data, kind)
        if method == types.TEXT_DOCUMENT_INLINE_COMPLETION:
            # Not in the specification, and dropped by the converter. Clients made for Copilot's server
            # send a version, which tells a late request from a current one, and how they indent.
            version = data["params"]["textDocument"].get("version")
            options = data["params"].get("formattingOptions")
            if isinstance(version, int) or isinstance(options, dict):
                uri = message.params.text_document.uri
                asked = AskedDocument(uri)
                asked.version = version if isinstance(version, int) else None
                asked.formatting_options = options if isinstance(options, dict) else {}
                message.params.text_document = asked
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
            future.set_exception(JsonRpcException(f"wrong result: {type(error).__name__}"))

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
            self._in_loop(lambda: self._send_data(data))
            return
        body = json.dumps(data, default=self._serialize_message).encode()
        if self._include_headers:
            body = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        try:
            self.writer.write(body)
        except OSError:  # the client is gone; the reader will notice
            self.writer = None

    def _in_loop(self, work: Callable[[], None]) -> None:
        if threading.get_ident() == self._thread:
            work()
        else:
            self._loop.call_soon_threadsafe(work)

    def _execute_handler(
        self,
        msg_id: int | str,
        handler: Callable[..., Any],
        callback: Callable[..., None],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        """As pygls's, with each step of a coroutine timed."""
        if asyncio.iscoroutinefunction(handler):
            handler = _watched(handler)
        super()._execute_handler(msg_id, handler, callback, args, kwargs)

    def _handle_cancel_notification(self, msg_id: Any) -> None:
        # An unknown id is usual: the answer was faster. pygls logs a warning for each.
        if not isinstance(msg_id, (int, str)):
            return
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
        arguments = params.arguments or ()
        # pygls gives the server to the handlers that want it, and keeps the function under this name.
        function = getattr(handler, "func", None)
        given = arguments if function is None else (self._server, *arguments)
        try:
            inspect.signature(function or handler).bind(*given)
        except TypeError as error:
            raise JsonRpcInvalidParams(f"{params.command}: {error}") from None
        work_done_token.set(params.work_done_token)
        result = handler(*arguments)
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
        self._following = self.keeper.change_document(params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        self.keeper.close_document(params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    def lsp_notebook_document__did_open(self, params: types.DidOpenNotebookDocumentParams) -> None:
        self.keeper.open_notebook(params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def lsp_notebook_document__did_change(
        self, params: types.DidChangeNotebookDocumentParams
    ) -> None:
        self.keeper.change_notebook(params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def lsp_notebook_document__did_close(
        self, params: types.DidCloseNotebookDocumentParams
    ) -> None:
        self.keeper.close_notebook(params)


def _watched(handler: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    async def watched(*args: Any, **kwargs: Any) -> Any:
        # pygls wraps the handlers that want the server, and keeps the function under this name.
        name = getattr(handler, "func", handler).__name__
        return await Watched(handler(*args, **kwargs), name)

    return watched


_NOTIFICATIONS = frozenset(
    method for method, kinds in types.METHOD_TO_TYPES.items() if kinds[1] is None
)
