"""Lines for the user to read: in the client's log, and shown where they must not be missed."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer


def log(ls: LanguageServer, kind: types.MessageType, message: str) -> None:
    """Write a line to the client's log."""
    ls.window_log_message(types.LogMessageParams(type=kind, message=message))


def tell(ls: LanguageServer, kind: types.MessageType, message: str) -> None:
    """Write it to the log and show it."""
    log(ls, kind, message)
    ls.window_show_message(types.ShowMessageParams(type=kind, message=message))
