"""The project's own process: `python -m infill_lsp.project.worker FOLDER [--watch] [--rules-only]`.

Indexing keeps one core busy for seconds, and Python's threads would share the lock that the server
and its model need; so it has a process, with low priority. It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, TypeVar

import psutil

from infill_lsp.project import messages
from infill_lsp.project.assembly import Answer
from infill_lsp.project.messages import Message
from infill_lsp.project.project import Project
from infill_lsp.project.watch import watch

logger = logging.getLogger(__name__)

LAST_SECONDS = 2.0
"""From the end of standard input to the end of whatever is still going on."""

Result = TypeVar("Result")
Inbox = queue.SimpleQueue[Message | None]


def main() -> None:
    """Serve one folder on standard input and output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--watch", action="store_true", help="the editor does not")
    parser.add_argument("--rules-only", action="store_true", help="read no sources")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    _give_way()
    inbox: Inbox = queue.SimpleQueue()
    project = Project(arguments.folder, index=not arguments.rules_only)
    threading.Thread(target=_read, args=(sys.stdin.buffer, inbox), daemon=True).start()
    if arguments.watch and not project.refused:
        threading.Thread(target=_watch, args=(arguments.folder, inbox), daemon=True).start()
    serve(project, inbox, sys.stdout.buffer)


def serve(project: Project, inbox: Inbox, out: BinaryIO) -> None:
    """Answer, and index whenever nothing is asked; until None comes."""
    busy, taken, rules = True, 0, project.rules_changed
    while True:
        try:
            message = inbox.get(block=not busy)
        except queue.Empty:
            busy = _guarded(project.work, True)
            taken += busy
            if not busy:
                _write(out, {"indexed": taken})
            continue
        if message is None:
            return
        _handle(project, message, out)
        busy = busy or "changed" in message or "exclude" in message
        if project.rules_changed != rules:
            rules = project.rules_changed
            _write(out, {"rules": rules})


def _handle(project: Project, message: Message, out: BinaryIO) -> None:
    """One message. What fails says nothing, and ends nothing."""
    if "question" in message:
        question = messages.question_of(message)
        answer = _guarded(lambda: project.answer(question, message["sources"]), Answer())
        _write(out, messages.answered(message["id"], answer))
    elif "judge" in message:
        unknown: str | None = "its ignore rules cannot be read"
        reason = _guarded(lambda: project.ignored(message["judge"]), unknown)
        _write(out, {"id": message["id"], "reason": reason})
    elif "claim" in message:
        claim = messages.claim_of(message)
        _write(
            out, {"id": message["id"], "name": _guarded(lambda: project.contradiction(claim), None)}
        )
    elif "layout" in message:
        nothing = dict.fromkeys(("editorconfig", "siblings"), "")
        layout = _guarded(lambda: project.layout(message["layout"]), nothing)
        _write(out, {"id": message["id"], **layout})
    elif "changed" in message:
        _guarded(lambda: project.changed(message["changed"]), None)
    elif "exclude" in message:
        _guarded(lambda: project.exclude(message["exclude"]), None)
    elif "remember" in message:
        _guarded(lambda: project.remember(*message["remember"]), None)


def _guarded(work: Callable[[], Result], otherwise: Result) -> Result:
    """What `work` returns, or `otherwise` where it fails, which is logged: the place, not the text."""
    try:
        return work()
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        logger.error("%s in %s:%s", type(error).__name__, Path(at.filename).name, at.lineno)
        return otherwise


def _read(lines: Iterable[bytes], inbox: Inbox) -> None:
    for line in lines:
        inbox.put(messages.from_line(line))
    inbox.put(None)
    # Whoever started this process is gone. It may be in the middle of something long.
    time.sleep(LAST_SECONDS)
    os._exit(0)


def _watch(root: Path, inbox: Inbox) -> None:
    try:
        for paths in watch(root):
            inbox.put({"changed": paths})
    except Exception as error:  # e.g. no watches left on this machine
        logger.warning("changes on disk are not seen: %s", type(error).__name__)


def _write(out: BinaryIO, message: Message) -> None:
    out.write(messages.to_line(message))
    out.flush()


def _give_way() -> None:
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(10)


if __name__ == "__main__":
    main()
