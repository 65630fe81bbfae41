"""A model whose files are damaged is not used, and it is said why."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from fake_engine import FakeEngine

from infill_lsp import loading
from infill_lsp.engines import Engines
from infill_lsp.server import make_server


class Silent:
    def write(self, data: bytes) -> None: ...


async def test_damage_is_found_beside_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def damaged(model: str) -> tuple[str, ...]:
        asked.append(model)
        time.sleep(0.3)
        return ("model-00002-of-00003.safetensors",)

    monkeypatch.setattr(loading, "damaged_files", damaged)
    engines: list[Any] = []
    server = make_server(
        Engines(lambda _config, _progress: engines.append(FakeEngine()) or engines[-1])
    )
    server.protocol.set_writer(Silent())
    server.loading.start()
    async with asyncio.timeout(10):
        await server.completer.loaded.wait()
        assert server.completer.engine is engines[0], "it is used until it is known to be wrong"
        while server.completer.engine is not None:
            await asyncio.sleep(0.01)
    assert asked == ["bundled"]
    assert server.status.current.kind == "Error"
    assert "model-00002-of-00003.safetensors" in server.status.current.message
    assert "it is not used" in server.status.current.message
    server.close()


async def test_the_bundled_model_stands_in_for_a_chosen_one_of_damaged_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    larger = "qwen2.5-coder-1.5b"
    monkeypatch.setattr(loading, "damaged_files", lambda model: ("a",) if model == larger else ())
    asked: list[str] = []

    def start(config: Any, _progress: Any) -> Any:
        asked.append(config.model)
        return FakeEngine(model=larger if config.model == "auto" else "small")

    server = make_server(Engines(start))
    server.protocol.set_writer(Silent())
    server.loading.start()
    async with asyncio.timeout(10):
        while server.status.current.kind != "Warning":
            await asyncio.sleep(0.01)
    assert asked == ["auto", "bundled"]
    assert server.completer.engine is not None
    assert "the bundled model stands in" in server.status.current.message
    assert larger in server.status.current.message
    server.close()
