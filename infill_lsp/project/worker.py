"""The project's own process: `python -m infill_lsp.project.worker FOLDER [--watch]`.

Indexing keeps one core busy for seconds, and Python's threads would share the lock that the server
and its model need; so it has a process, with low priority. It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import psutil

from infill_lsp.project import messages
from infill_lsp.project.messages import Message
from infill_lsp.project.project import Project
from infill_lsp.project.watch import watch

Inbox = queue.SimpleQueue[Message | None]


def main() -> None:
    """Serve one folder on standard input and output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--watch", action="store_true", help="the editor does not")
    arguments = parser.parse_args()
    _give_way()
    inbox: Inbox = queue.SimpleQueue()
    project = Project(arguments.folder)
    threading.Thread(target=_read, args=(sys.stdin.buffer, inbox), daemon=True).start()
    if arguments.watch and not project.refused:
        threading.Thread(target=_watch, args=(arguments.folder, inbox), daemon=True).start()
    serve(project, inbox, sys.stdout.buffer)


def serve(project: Project, inbox: Inbox, out: BinaryIO) -> None:
    """Answer, and index whenever nothing is asked; until None comes."""
    busy, taken = True, 0
    while True:
        try:
            message = inbox.get(block=not busy)
        except queue.Empty:
            busy = project.work()
            taken += busy
            if not busy:
                _write(out, {"indexed": taken})
            continue
        if message is None:
            return
        if "ask" in message:
            answer = project.answer(messages.question_of(message), message["sources"])
            _write(out, messages.answered(message["ask"], answer))
        elif "changed" in message:
            project.changed(message["changed"])
            busy = True
        elif "remember" in message:
            project.remember(*message["remember"])


def _read(lines: Iterable[bytes], inbox: Inbox) -> None:
    for line in lines:
        inbox.put(messages.from_line(line))
    inbox.put(None)


def _watch(root: Path, inbox: Inbox) -> None:
    for paths in watch(root):
        inbox.put({"changed": paths})


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
