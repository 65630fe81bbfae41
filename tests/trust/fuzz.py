"""Coverage-guided fuzzing of what reads strangers' bytes: `python tests/trust/fuzz.py TARGET SECONDS`.

Atheris (libFuzzer) changes inputs so that new branches are reached. Ends with 0 when nothing failed; else it
prints the input and where it failed. Targets: framing, positions, rules, prompts, structuring, secrets.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import atheris

SLOW = 2.0
"""Seconds for one input of a few kilobytes, after which it counts as a failure."""

with atheris.instrument_imports(include=["infill_lsp"]):
    from lsprotocol import types

    from infill_lsp import structuring
    from infill_lsp.documents import Change, Document
    from infill_lsp.endpoint import llamacpp, openai
    from infill_lsp.endpoint.gap import BadRequestError
    from infill_lsp.framing import FrameError, Frames
    from infill_lsp.positions import LineIndex
    from infill_lsp.project.ignore import IgnoreRules
    from infill_lsp.project.private import secret_lines, without


def framing(data: bytes) -> None:
    """Whole or in pieces, the same messages come out, or none can be told."""
    whole, pieces = Frames(most=1000), Frames(most=1000)
    step = data[0] % 7 + 1 if data else 1

    def fed(frames: Frames, chunks: list[bytes]) -> list[bytes] | None:
        found = []
        try:
            for chunk in chunks:
                found += frames.feed(chunk)
        except FrameError:
            return None
        return found

    one = fed(whole, [data])
    many = fed(pieces, [data[at : at + step] for at in range(0, len(data), step)])
    if one is not None:
        assert many is None or many == one


def positions(data: bytes) -> None:
    """An index that is edited equals one that is built anew."""
    source = atheris.FuzzedDataProvider(data)
    encoding = source.PickValueInList(["utf-8", "utf-16", "utf-32"])
    document = Document("file:///a.txt", source.ConsumeUnicodeNoSurrogates(60), encoding=encoding)
    for version in range(4):
        places = [
            (source.ConsumeIntInRange(-1, 9), source.ConsumeIntInRange(-1, 20)) for _ in range(2)
        ]
        document.apply(
            [Change(source.ConsumeUnicodeNoSurrogates(12), (min(places), max(places)))], version
        )
        fresh = LineIndex.build(document.text)
        snapshot = document.snapshot()
        for offset in range(len(document.text) + 1):
            place = fresh.position_at(document.text, offset, encoding)
            assert snapshot.position_at(offset) == place
            assert snapshot.offset_at(*place) <= offset


def rules(data: bytes) -> None:
    """Any ignore file, any path: an answer, and soon."""
    head, _, tail = data.partition(b"\0")
    (_FOLDER / ".gitignore").write_bytes(head)
    IgnoreRules(_FOLDER).reason(tail.decode("utf-8", "surrogateescape")[:300])


def prompts(data: bytes) -> None:
    """Bodies of HTTP requests: taken apart, or refused in words."""
    try:
        body = structuring.decode(data)
    except (ValueError, RecursionError):
        return
    if isinstance(body, dict):
        for read in (openai.gap_of, llamacpp.gap_of):
            with contextlib.suppress(BadRequestError):
                read(body)


def structure(data: bytes) -> None:
    """Parameters of any method: of the protocol's types, or an error that names the fields."""
    source = atheris.FuzzedDataProvider(data)
    method = source.PickValueInList(_METHODS)
    try:
        params = structuring.decode(source.ConsumeBytes(len(data)))
    except (ValueError, RecursionError):
        return
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    kind = types.METHOD_TO_TYPES[method][0]
    try:
        structuring.converter().structure(message, kind)
    except Exception:
        assert structuring.wrong_fields(message, kind)


def secrets(data: bytes) -> None:
    """Any text: its lines are judged, and those that are left out are left out whole."""
    name, _, text = data.decode("utf-8", "replace").partition("\n")
    found = secret_lines(text, name[:40])
    kept = without(text, found)
    assert kept.count("\n") == text.count("\n")
    assert all(first < end <= text.count("\n") + 1 for first, end in found)


_FOLDER = Path(tempfile.mkdtemp(prefix="infill-fuzz-"))
_METHODS = [
    *(
        "initialize",
        "textDocument/didOpen",
        "textDocument/didChange",
        "textDocument/inlineCompletion",
    ),
    *("workspace/executeCommand", "textDocument/codeAction", "workspace/didChangeWorkspaceFolders"),
]
TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "framing": (framing, [b"Content-Length: 2\r\n\r\n{}", b"POST / HTTP/1.1\r\n\r\n"]),
    "positions": (positions, ["a\r\né\u2028😀\n".encode()]),
    "rules": (rules, [b"*.py\n!a.py\n/b/**/c\n\0x/a.py", b"[a-z]?*\\ \0b"]),
    "prompts": (
        prompts,
        [
            json.dumps(
                {"model": "x", "prompt": "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"}
            ).encode(),
            json.dumps({"input_prefix": "a", "input_suffix": "b", "n_predict": 3}).encode(),
        ],
    ),
    "structuring": (
        structure,
        [b'\x02{"textDocument": {"uri": "a", "version": 1}, "contentChanges": [{"text": ""}]}'],
    ),
    "secrets": (
        secrets,
        [b"a.yaml\npassword: hunter2\n-----BEGIN PRIVATE KEY-----\n", b"a.py\nx = '1'\n"],
    ),
}


def main() -> None:
    name, seconds = sys.argv[1], float(sys.argv[2])
    run, seeds = TARGETS[name]
    corpus = Path(tempfile.mkdtemp(prefix="infill-corpus-"))
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)

    def once(data: bytes) -> None:
        began = time.perf_counter()
        run(data)
        assert time.perf_counter() - began < SLOW, "slow"

    limits = [f"-max_total_time={seconds:.0f}", "-max_len=4000", "-print_final_stats=1"]
    places = [f"-artifact_prefix={corpus}/"]
    atheris.Setup([sys.argv[0], str(corpus), *limits, *places], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
