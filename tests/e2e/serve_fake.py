"""The real server with a fake engine, as a process of its own.

    python tests/e2e/serve_fake.py [--stdio | --tcp | --ws | --relay | --http SCRIPT] [--busy-pool]

The setting `infill.model` holds the engine's script: JSON with FakeEngine's keywords; `journal`, a file
that gets one JSON line for each request, cancellation and end of a request; and `typist`, for answers
that tell which text they belong to (see `typist`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import typist
from fake_engine import FakeEngine

from engine import Draft, EngineConfig, InfillRequest, Job
from infill_lsp import access, fetching, relay, shared, transport
from infill_lsp.endpoint import serving
from infill_lsp.session import InfillServer
from infill_lsp.settings import Settings


class JournalledEngine(FakeEngine):
    """A FakeEngine that writes down what it was asked and how often it ran."""

    def __init__(self, journal: str | None = None, **script: Any) -> None:
        self._journal = Path(journal) if journal else None
        super().__init__(**script)

    def submit(self, request: InfillRequest, on_draft: Any = None) -> Job:
        self._write(
            event="request",
            prefix=request.prefix[-200:],
            suffix=request.suffix[:200],
            between=list(request.between),
            variants=request.variants,
            deadline=request.deadline,
            path=request.path,
            snippets=[[snippet.text, snippet.path] for snippet in request.snippets],
        )
        try:
            return super().submit(request, on_draft)
        finally:
            self.requests.clear()  # the journal has them; memory is measured here

    def _fill(self, request: InfillRequest, job: Job, on_draft: Any) -> Draft:
        try:
            return super()._fill(request, job, on_draft)
        finally:
            self._write(event="end", forwards=self.forwards, cancelled=job.cancelled.is_set())

    def _write(self, **entry: Any) -> None:
        if self._journal is not None:
            with self._journal.open("a") as journal:
                journal.write(json.dumps(entry) + "\n")


def start_engine(config: EngineConfig, on_progress: Any) -> FakeEngine:
    script = {} if config.model == "auto" else json.loads(config.model)
    if script.pop("typist", False):
        script["answer"] = typist.engine_answer
    return JournalledEngine(on_progress=on_progress, **script)


def _keep_pool_busy() -> None:
    """Every connection's thread pool is full of sleepers from the start."""
    make = transport.make_server

    def make_busy(engines: Any) -> InfillServer:
        server = make(engines)
        for _ in range(100):
            server.thread_pool.submit(time.sleep, 1.0)
        return server

    transport.make_server = make_busy


LINGER = 2.0
"""Seconds that the shared server outlives its last window."""


def main() -> int:
    fetching.FETCH = (sys.executable, str(Path(__file__).with_name("fetch_fake.py")))
    parser = argparse.ArgumentParser()
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--stdio", action="store_true")
    kind.add_argument("--tcp", action="store_true")
    kind.add_argument("--ws", action="store_true")
    kind.add_argument("--relay", action="store_true")
    kind.add_argument("--shared", type=Path)
    kind.add_argument("--http", metavar="SCRIPT")
    parser.add_argument("--version-of", default="", help="another one has its own shared server")
    parser.add_argument("--token", help="what clients of --tcp and --ws must name")
    parser.add_argument("--allow-origin", action="append", default=[])
    parser.add_argument("--busy-pool", action="store_true")
    arguments = parser.parse_args()
    if arguments.busy_pool:
        _keep_pool_busy()
    if arguments.tcp:
        return transport.serve_tcp("", 0, arguments.token, start_engine)
    if arguments.ws:
        return transport.serve_ws("", 0, arguments.token, arguments.allow_origin, start_engine)
    if arguments.http:
        settings = Settings(model=arguments.http)
        token = access.token_from(None)
        return serving.serve_http("127.0.0.1", 0, settings, token, start_engine)
    if arguments.shared:
        return shared.serve_shared(arguments.shared, start_engine, LINGER)
    if arguments.relay:
        itself = [sys.executable, __file__, "--version-of", arguments.version_of]
        return relay.serve_stdio([*itself, "--shared"])
    return transport.serve_stdio(start_engine)


if __name__ == "__main__":
    sys.exit(main())
