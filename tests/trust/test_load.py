"""Many requests at once, a third of them cancelled: all are answered, and nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
import random
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest
from client import Client, inline
from sessions import SECONDS, SERVER

REQUESTS = 100_000
"""The bar, with 3 windows and 10 documents."""
WINDOWS, DOCUMENTS, AT_ONCE = 3, 10, 12
WARM = 6000
"""Requests before anything is compared: each document's suggestions are kept, up to so many."""


@pytest.fixture
def server() -> Iterator[tuple[tuple[str, int], psutil.Process]]:
    process = subprocess.Popen(
        [*SERVER, "--tcp"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    host, _, port = process.stderr.readline().rpartition(" ")[2].strip().rpartition(":")
    yield (host, int(port)), psutil.Process(process.pid)
    process.kill()
    process.wait(SECONDS)
    process.stderr.close()


@pytest.mark.timeout(1800)
async def test_all_are_answered_and_nothing_stays(
    server: tuple[tuple[str, int], psutil.Process], share_of: Callable[[int], int]
) -> None:
    address, process = server
    chance, wanted = random.Random(3), share_of(REQUESTS)
    clients = [await Client.open(address, hideBelowPercent=0) for _ in range(WINDOWS)]
    for client in clients:
        await client.ready()
        for number in range(DOCUMENTS):
            client.open_document(uri(number), f"def f{number}(x):\n    return \n" * 20)
    outcome = {"answered": 0, "cancelled": 0, "unanswered": 0}
    await load(clients, min(WARM, 3 * wanted), chance, outcome)
    before = await measured(process)
    await load(clients, wanted, chance, outcome)
    after = await measured(process)
    print(f"{outcome}; before {before}, after {after}: memory, threads, descriptors")
    assert outcome["unanswered"] == 0
    assert outcome["cancelled"] > 0.05 * wanted
    assert after[0] <= 1.03 * before[0] + 2_000_000
    assert after[1] <= before[1] + 1
    assert after[2] <= before[2] + 1
    for client in clients:
        await client.close()


async def load(
    clients: list[Client], count: int, chance: random.Random, outcome: dict[str, int]
) -> None:
    for _ in range(0, count, AT_ONCE):
        asked = []
        for _ in range(AT_ONCE):
            client, number = chance.choice(clients), chance.randrange(DOCUMENTS)
            if chance.random() < 0.5:
                type_key(client, uri(number), chance)
            begun, answer = client.begin(
                "textDocument/inlineCompletion", inline(uri(number), 1, 11)
            )
            if chance.random() < 0.3:
                client.tell("$/cancelRequest", {"id": begun})
            asked.append(answer)
        done, left = await asyncio.wait(asked, timeout=SECONDS)
        outcome["unanswered"] += len(left)
        for each in done:
            code = (each.result().get("error") or {}).get("code")
            assert code in (None, -32800), each.result()
            outcome["cancelled" if code else "answered"] += 1


def type_key(client: Client, at: str, chance: random.Random) -> None:
    place = {"line": chance.randrange(30), "character": 0}
    end = {**place, "character": chance.randrange(2)}
    change = {"range": {"start": place, "end": end}, "text": chance.choice("abc ")}
    document = {"uri": at, "version": chance.randrange(1, 1 << 30)}
    client.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})


def uri(number: int) -> str:
    return f"file:///nowhere/{number}.py"


async def measured(process: psutil.Process) -> tuple[int, int, int]:
    """Bytes, threads and descriptors, when all is quiet."""
    await asyncio.sleep(1.0)
    gc.collect()
    return process.memory_full_info().uss, process.num_threads(), process.num_fds()


if sys.platform == "win32":
    pytest.skip("descriptors are counted", allow_module_level=True)
