"""Progress of a command in the editor, with a way to cancel it there."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from infill_lsp.protocol import work_done_token

CREATION_SECONDS = 2.0
"""How long a client may take to answer that it will show progress; then it is not shown."""
_tokens = itertools.count(1)


class Report(Protocol):
    """Tells the client how far a command is."""

    def __call__(self, done: int, all_: int, now: str = ...) -> None: ...


@asynccontextmanager
async def progress(ls: LanguageServer, what: str) -> AsyncIterator[Report]:
    """Show progress while the body runs, where the client shows such; to cancel there is to cancel
    this task. Yields a function to be told how many are done, of how many, and with what it goes on."""
    token = work_done_token.get() or await _created(ls)
    if token is None:
        yield lambda done, all_, now=what: None
        return
    task = asyncio.current_task()
    begin = types.WorkDoneProgressBegin(title="infill", message=what, cancellable=True)
    ls.work_done_progress.begin(token, begin)
    ls.work_done_progress.tokens[token].add_done_callback(
        lambda future: task.cancel() if task and future.cancelled() else None
    )

    def report(done: int, all_: int, now: str = what) -> None:
        percentage = 100 * done // all_
        ls.work_done_progress.report(
            token, types.WorkDoneProgressReport(message=now, percentage=percentage)
        )

    try:
        yield report
    finally:
        ls.work_done_progress.tokens.pop(token, None)
        ls.work_done_progress.end(token, types.WorkDoneProgressEnd())


async def _created(ls: LanguageServer) -> types.ProgressToken | None:
    """A token that the client has agreed to; None where it shows no progress."""
    window = ls.client_capabilities.window
    if not (window and window.work_done_progress):
        return None
    token = f"infill-edit-{next(_tokens)}"
    try:
        async with asyncio.timeout(CREATION_SECONDS):
            await ls.work_done_progress.create_async(token)
    except (JsonRpcException, TimeoutError):
        return None
    return token
