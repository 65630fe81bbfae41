"""What a window's relay remembers, so that another server can take over from one that died.

Follows the messages of both directions and keeps what a server knows of its window: how it was
initialized, settings, folders, the open documents as they are now, and which requests are unanswered. Pure
state: bodies of messages in, bodies of messages out. Holds as much as the open documents, no more.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infill_lsp.positions import Encoding, LineIndex

Message = dict[str, Any]

REQUEST_FAILED = -32803
REQUEST_CANCELLED = -32800
MOST_PENDING = 500
"""Changes of a document that are kept before they are applied; most documents never need it."""
MOST_OF_A_NOTEBOOK = 5000
"""Messages about one notebook; beyond them it is forgotten, and not taken over."""
OWN = "infill-relay"
"""Begins the ids of the relay's own requests, whose answers the editor does not get."""
REPEATED = frozenset(
    (
        "textDocument/inlineCompletion",
        "textDocument/completion",
        "textDocument/codeAction",
        "shutdown",
    )
)
"""Requests that change nothing, so that another server may be asked the same again, once."""
REMEMBERED_COMMANDS = frozenset(("infill.watch", "infill.snooze"))
"""Commands that set something in their session."""


@dataclass(slots=True)
class _Document:
    """An open document: a text, and changes that came after it."""

    language_id: Any
    text: str
    version: Any
    changes: list[Any] = field(default_factory=list)

    def current(self, encoding: Encoding) -> str:
        """The text as it is now. Raises ValueError or the like for changes that are none."""
        index = LineIndex.build(self.text)
        for change in self.changes:
            inserted = _text(change["text"])
            where = change.get("range")
            if where is None:
                self.text, index = inserted, LineIndex.build(inserted)
                continue
            start, end = sorted(
                index.offset_at(self.text, place["line"], place["character"], encoding)
                for place in (where["start"], where["end"])
            )
            self.text = self.text[:start] + inserted + self.text[end:]
            index = index.edited(self.text, start, end, len(inserted))
        self.changes.clear()
        return self.text


@dataclass(slots=True)
class _Request:
    """One that the editor has sent and that is not answered."""

    message: Message
    cancelled: bool = False
    repeated: bool = False


class Replay:
    """Used under one lock. What a message says wrongly is passed on, and not remembered."""

    def __init__(self) -> None:
        self.shut_down = False
        """The editor's `shutdown` was answered: what comes now is the end."""
        self._initialize: Message | None = None
        self._encoding: Encoding = "utf-16"
        self._initialized: Message | None = None
        self._settings: Message | None = None
        self._folders: list[Message] = []
        self._commands: dict[str, Message] = {}
        self._documents: dict[str, _Document] = {}
        self._notebooks: dict[str, list[Message]] = {}
        self._requests: dict[Any, _Request] = {}
        self._asked: set[Any] = set()
        self._registered: set[Any] = set()
        self._progress: list[Any] = []
        self._number = 0

    # From the editor

    def from_editor(self, body: bytes) -> bool:
        """Take note of a message; whether it is to be passed on."""
        message = _parsed(body)
        if message is None:
            return True
        method, message_id = message.get("method"), message.get("id")
        if not isinstance(method, str):
            if not message.keys() & {"result", "error"} or not _hashable(message_id):
                return True
            if message_id not in self._asked:
                return False  # an answer to a server that is gone
            self._asked.discard(message_id)
            return True
        if not _hashable(message_id):
            return True
        # What is wrong is not noted; the server will say so.
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, IndexError):
            self._note(method, message)
        if message_id is not None:
            self._requests[message_id] = _Request(message)
        return True

    def _note(self, method: str, message: Message) -> None:
        params: Any = message.get("params")
        match method:
            case "initialize":
                self._initialize = message
            case "initialized":
                self._initialized = message
            case "workspace/didChangeConfiguration":
                self._settings = message
            case "workspace/didChangeWorkspaceFolders":
                self._folders.append(message)
            case "$/cancelRequest":
                self._requests[params["id"]].cancelled = True
            case "workspace/executeCommand" if params["command"] in REMEMBERED_COMMANDS:
                self._commands[params["command"]] = message
            case "textDocument/didOpen":
                item = params["textDocument"]
                document = _Document(item["languageId"], _text(item["text"]), item["version"])
                self._documents[_text(item["uri"])] = document
            case "textDocument/didChange":
                self._change(params)
            case "textDocument/didClose":
                self._documents.pop(params["textDocument"]["uri"], None)
            case _ if method.startswith("notebookDocument/"):
                self._note_notebook(method, message)

    def _change(self, params: Any) -> None:
        uri = params["textDocument"]["uri"]
        document = self._documents[uri]
        try:
            document.changes += [dict(change) for change in params["contentChanges"]]
            document.version = params["textDocument"]["version"]
            if len(document.changes) > MOST_PENDING:
                document.current(self._encoding)
        except (KeyError, TypeError, ValueError, AttributeError):
            del self._documents[uri]  # nobody knows what it holds
            raise

    def _note_notebook(self, method: str, message: Message) -> None:
        uri = _text(message["params"]["notebookDocument"]["uri"])
        if method.endswith("/didOpen"):
            self._notebooks[uri] = [message]
        elif method.endswith("/didClose"):
            self._notebooks.pop(uri, None)
        elif method.endswith("/didChange") and uri in self._notebooks:
            self._notebooks[uri].append(message)
            if len(self._notebooks[uri]) > MOST_OF_A_NOTEBOOK:
                del self._notebooks[uri]

    # From the server

    def from_server(self, body: bytes, answer: Callable[[bytes], None]) -> bool:
        """Take note of a message; whether the editor gets it. answer: sends the server what the editor
        need not be asked again."""
        message = _parsed(body)
        if message is None:
            return True
        method, message_id = message.get("method"), message.get("id")
        if not isinstance(method, str):
            return self._answered(message_id, message)
        params = message.get("params") or {}
        if message_id is not None:
            if method == "client/registerCapability" and self._has_registered(params):
                answer(_body({"id": message_id, "result": None}))
                return False
            self._asked.add(message_id)
        if method == "window/workDoneProgress/create":
            self._progress.append(params.get("token"))
        elif method == "$/progress" and (params.get("value") or {}).get("kind") == "end":
            self._progress = [token for token in self._progress if token != params.get("token")]
        return True

    def _answered(self, message_id: Any, message: Message) -> bool:
        if isinstance(message_id, str) and message_id.startswith(OWN):
            return False
        request = self._requests.pop(message_id, None) if _hashable(message_id) else None
        if request is not None and "result" in message:
            if request.message["method"] == "initialize":
                chosen = ((message["result"] or {}).get("capabilities") or {}).get(
                    "positionEncoding"
                )
                self._encoding = chosen if chosen in ("utf-8", "utf-32") else "utf-16"
            elif request.message["method"] == "shutdown":
                self.shut_down = True
        return True

    def _has_registered(self, params: Message) -> bool:
        ids = {each.get("id") for each in params.get("registrations") or []}
        known = bool(ids) and ids <= self._registered
        self._registered |= ids
        return known

    # When a server is gone

    def lost(self, why: str) -> list[bytes]:
        """What the editor is told: a status, the end of what was under way, and answers to requests that
        no other server can be asked."""
        status = {"busy": True, "kind": "Warning", "message": why}
        told: list[Message] = [{"method": "didChangeStatus", "params": status}]
        told += [
            {"method": "$/progress", "params": {"token": token, "value": {"kind": "end"}}}
            for token in self._progress
        ]
        for message_id, request in list(self._requests.items()):
            method = request.message["method"]
            if method == "initialize" or (
                method in REPEATED and not request.cancelled and not request.repeated
            ):
                continue
            code = REQUEST_CANCELLED if request.cancelled else REQUEST_FAILED
            told.append({"id": message_id, "error": {"code": code, "message": f"{why}; ask again"}})
            del self._requests[message_id]
        self._progress, self._asked = [], set()
        return [_body(message) for message in told]

    def again(self) -> list[bytes]:
        """What the next server is sent before anything else."""
        told: list[Message] = []
        if self._initialize is not None:
            unanswered = self._initialize.get("id") in self._requests
            told.append(self._initialize if unanswered else self._own(self._initialize))
        told += [each for each in (self._initialized, self._settings) if each is not None]
        told += self._folders
        told += [self._own(message) for message in self._commands.values()]
        for uri, document in list(self._documents.items()):
            try:
                text = document.current(self._encoding)
            except (KeyError, TypeError, ValueError, AttributeError):
                del self._documents[uri]
                continue
            item = {"uri": uri, "languageId": document.language_id, "version": document.version}
            params = {"textDocument": {**item, "text": text}}
            told.append({"method": "textDocument/didOpen", "params": params})
        for messages in self._notebooks.values():
            told += messages
        for request in self._requests.values():
            if request.message["method"] != "initialize":
                request.repeated = True
                told.append(request.message)
        return [_body(message) for message in told]

    def ping(self) -> bytes:
        """A request that any server answers, if only to say that it knows no such method."""
        return _body(self._own({"method": "$/infillPing"}))

    def _own(self, message: Message) -> Message:
        self._number += 1
        return {**message, "id": f"{OWN}-{self._number}"}


def _parsed(body: bytes) -> Message | None:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _body(message: Message) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is wanted")
    return value


def _hashable(value: object) -> bool:
    return isinstance(value, (str, int, float, type(None)))
