"""Sessions with the real server process, over standard streams or TCP, as an editor would have.

One TCP server serves all tests of a run; a stdio server is started for each test that asks for one.
What the engine does is in each session's script (see `serve_fake`).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pytest_lsp import make_test_lsp_client

sys.path.insert(0, str(Path(__file__).parent))

from sessions import (
    SECONDS,
    Connect,
    Session,
    capabilities,
    client_info,
    listening,
    running,
    shared_servers,
)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder for this test, its path short enough for a socket; empty of servers after."""
    folder = Path(tempfile.mkdtemp(prefix="infill-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    for server in shared_servers(folder):
        server.kill()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tcp_server() -> Iterator[tuple[str, int]]:
    """(host, port) of a server that outlives its connections."""
    yield from listening("--tcp")


@pytest.fixture
async def connect(tmp_path: Path, tcp_server: tuple[str, int]) -> AsyncIterator[Connect]:
    """Open a session: `await connect("vscode", transport="tcp", script={...}, **settings)`."""
    async with AsyncExitStack() as stack:
        sessions = 0

        async def open_session(
            editor: str = "vscode",
            transport: str = "tcp",
            *,
            script: dict[str, Any] | None = None,
            configuration: dict[str, Any] | None = None,
            edit: Callable[[types.ClientCapabilities], None] = lambda _: None,
            folder: str = "file:///folder",
            **settings: Any,
        ) -> Session:
            nonlocal sessions
            sessions += 1
            journal = tmp_path / f"journal-{sessions}"
            model = json.dumps({"journal": str(journal), **(script or {})})
            client = make_test_lsp_client()
            client.set_configuration({"infill": configuration or {}})
            session = Session(client, journal, folder)
            await stack.enter_async_context(running(client, transport, tcp_server))
            declared = capabilities(editor)
            edit(declared)
            params = types.InitializeParams(
                declared,
                client_info=client_info(editor),
                root_uri=folder,
                workspace_folders=[types.WorkspaceFolder(folder, "folder")],
                initialization_options={"infill": {"model": model, **settings}},
            )
            session.result = await asyncio.wait_for(client.initialize_session(params), SECONDS)
            return session

        yield open_session


@pytest.fixture(params=["stdio", "tcp", "relay"])
def transport(request: pytest.FixtureRequest) -> str:
    """For tests that must hold on all."""
    return str(request.param)
