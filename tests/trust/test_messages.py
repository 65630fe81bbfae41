"""Messages of wrong types, by the thousand: none ends the connection, none fails inside, none takes long."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from client import SECONDS, Client, inline

MESSAGES = 20_000
"""The bar."""
URI = "file:///nowhere/a.py"
PLACE = {"line": 0, "character": 4}
RANGE = {"start": PLACE, "end": PLACE}
DOCUMENT = {"uri": URI, "version": 3}
REQUESTS: dict[str, Any] = {
    "textDocument/inlineCompletion": inline(URI, 0, 4)
    | {"context": {"triggerKind": 1, "selectedCompletionInfo": {"range": RANGE, "text": "ab"}}},
    "textDocument/codeAction": {
        "textDocument": {"uri": URI},
        "range": RANGE,
        "context": {"diagnostics": [], "only": ["refactor"]},
    },
    "workspace/executeCommand": {"command": "infill.status", "arguments": []},
    "infill.snooze": {"command": "infill.snooze", "arguments": [0]},
    "infill.explainContext": {"command": "infill.explainContext", "arguments": [URI]},
    "infill.watch": {"command": "infill.watch", "arguments": [False]},
    "infill.accepted": {"command": "infill.accepted", "arguments": ["id", 3]},
    "infill.variants": {"command": "infill.variants", "arguments": [URI, RANGE, 2]},
    "infill.refill": {"command": "infill.refill", "arguments": [URI, RANGE]},
    "infill.fillHoles": {"command": "infill.fillHoles", "arguments": [URI, RANGE]},
    "infill.applyVariant": {"command": "infill.applyVariant", "arguments": [URI, 1, RANGE, "x"]},
    "textDocument/hover": {"textDocument": {"uri": URI}, "position": PLACE},
}
NOTIFICATIONS: dict[str, Any] = {
    "textDocument/didOpen": {
        "textDocument": {"uri": URI + "x", "languageId": "python", "version": 1, "text": "x = "}
    },
    "textDocument/didChange": {
        "textDocument": {**DOCUMENT, "uri": URI + "x"},
        "contentChanges": [{"range": RANGE, "rangeLength": 0, "text": "y"}, {"text": "z = "}],
    },
    "textDocument/didClose": {"textDocument": {"uri": URI + "x"}},
    "textDocument/didSave": {"textDocument": {"uri": URI}, "text": "x"},
    "workspace/didChangeConfiguration": {"settings": {"infill": {"variants": 2, "threads": None}}},
    "workspace/didChangeWatchedFiles": {"changes": [{"uri": URI, "type": 2}]},
    "workspace/didChangeWorkspaceFolders": {
        "event": {"added": [{"uri": "file:///nowhere", "name": "n"}], "removed": []}
    },
    "$/cancelRequest": {"id": 7},
    "$/setTrace": {"value": "off"},
    "window/workDoneProgress/cancel": {"token": "t"},
    "initialized": {},
}
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 1.5, 2**31, 2**63, -(2**70), 1e400, float("nan")),
    *("", "x", "\0", "\ud800", "\udfff\ud83d", "😀" * 50, "x" * 20_000, "file:///%00", "file://["),
    *("file:///" + "a/" * 5000, "untitled:1", "%2e%2e/%2e%2e", "../../etc/passwd", "null"),
    *([], {}, [[]], [None], [{}], {"": None}, {"uri": URI}, [1] * 3000, {"a": {"b": {"c": []}}}),
    *("2.0", ["2.0"], {"line": 0, "character": -5}, {"start": PLACE}, [RANGE], [URI] * 9),
]
SLOW = 1.5
"""Seconds within which a message sent behind a batch is answered."""
BATCH = 40


@pytest.mark.timeout(1800)
async def test_no_message_of_wrong_types_harms(
    tcp_server: tuple[str, int], share_of: Callable[[int], int], caplog: Any
) -> None:
    chance, wanted, sent = random.Random(4), share_of(MESSAGES), 0
    client, other = await Client.open(tcp_server), await Client.open(tcp_server)
    for each in (client, other):
        await each.ready()
    other.open_document(URI, "x = ")
    failures: list[Any] = []
    slowest = 0.0
    while sent < wanted:
        client.open_document(URI, "x = ")
        asked = []
        for _ in range(min(BATCH, wanted - sent)):
            sent += 1
            asked += send_odd(client, chance)
        began = time.perf_counter()
        good = await other.suggest(URI, 0, 4)
        slowest = max(slowest, time.perf_counter() - began)
        assert good["result"]["items"], "another window is served as ever"
        done, left = await asyncio.wait(asked, timeout=SECONDS) if asked else (set(), set())
        assert not left, "every request is answered"
        failures += [
            each.result()["error"]
            for each in done
            if (each.result().get("error") or {}).get("code") == -32603
        ]
        await client.status()
        slowest = max(slowest, time.perf_counter() - began)
        failures += [note for note in client.notes if "internal error" in json.dumps(note)]
        assert not failures, failures[0]
        assert slowest < SLOW * 2
    assert not client.ended
    print(f"{sent} messages; the slowest batch was answered within {slowest:.2f} s")
    for each in (client, other):
        await each.close()


def send_odd(client: Client, chance: random.Random) -> list[asyncio.Future[dict[str, Any]]]:
    """One wrong message; the answer to wait for, where it is a request that can be answered."""
    is_request = chance.random() < 0.6
    methods = REQUESTS if is_request else NOTIFICATIONS
    name = chance.choice(list(methods))
    method = "workspace/executeCommand" if name.startswith("infill.") else name
    params = copy.deepcopy(methods[name])
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        params = mutated(params, chance)
    if is_request or chance.random() < 0.1:
        return [client.begin(method, params)[1]]
    client.tell(method, params)
    return []


def mutated(value: Any, chance: random.Random) -> Any:
    """The value with one of its parts replaced, left out or doubled."""
    places: list[tuple[Any, Any]] = [(None, None)]
    waiting = [value]
    while waiting:
        here = waiting.pop()
        keys = (
            list(here)
            if isinstance(here, dict)
            else range(len(here))
            if isinstance(here, list)
            else ()
        )
        for key in keys:
            places.append((here, key))
            waiting.append(here[key])
    holder, key = chance.choice(places)
    new = copy.deepcopy(chance.choice(ODD))
    if holder is None:
        return new if chance.random() < 0.3 else value
    if isinstance(holder, dict) and chance.random() < 0.2:
        del holder[key]
    elif isinstance(holder, list) and chance.random() < 0.2:
        holder.append(new)
    else:
        holder[key] = new
    return value


@pytest.mark.timeout(1800)
async def test_broken_frames_end_only_their_own_connection(
    tcp_server: tuple[str, int], share_of: Callable[[int], int]
) -> None:
    """What has no header that can be read is refused in words, and ended; the rest is only refused."""
    chance, other = random.Random(5), await Client.open(tcp_server)
    await other.ready()
    other.open_document(URI, "x = ")
    for _ in range(share_of(MESSAGES // 20)):
        reader, writer = await asyncio.open_connection(*tcp_server)
        body = json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        ).encode()
        data = bytearray(b"Content-Length: %d\r\n\r\n%b" % (len(body), body)) * 2
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(SECONDS):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()
    assert (await other.suggest(URI, 0, 4))["result"]["items"]
    await other.close()
