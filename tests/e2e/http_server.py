"""A server of `serve --http` as a process of its own, with the fake engine or a real model."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from sessions import SECONDS, SERVER

TOKEN = "a token of the tests"


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """The address of a server, ended afterwards."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "INFILL_TOKEN": TOKEN},
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert "listening on http" in said, said
        yield "http://" + said.rpartition(" ")[2].strip()
    finally:
        process.terminate()
        process.wait(SECONDS)
        process.stderr.close()


def fake(**script: Any) -> tuple[str, ...]:
    return (*SERVER, "--http", json.dumps(script))


async def ready_without_token(address: str) -> None:
    async with aiohttp.ClientSession() as client:
        await ready(client, address)


async def ready(client: aiohttp.ClientSession, address: str) -> None:
    """Wait until the model is loaded."""
    async with asyncio.timeout(60):
        while True:
            async with client.get(f"{address}/health") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.02)
