"""Lines of JSON in xz files that can travel: written once, whole or not at all, and read again."""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path

from infill_lsp.corpus.documents import Document

SHARD_BYTES = 60_000_000
"""Most bytes of one shard, compressed."""
_PRESET = 2  # a seventh larger than the fourth, in a fifth of the time
_STEP = 4_000_000  # characters compressed at once; a shard may miss its limit by so much, at most


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Write one file, quickly; it is there when it is whole."""
    unfinished = path.with_name(f".{path.name}")
    with lzma.open(unfinished, "wb", preset=0) as out:
        for line in lines:
            out.write(line + b"\n")
    unfinished.replace(path)


def write_shards(
    folder: Path, name: str, lines: Iterable[bytes], limit: int = SHARD_BYTES
) -> list[Path]:
    """`NAME-00000.jsonl.xz`, `NAME-00001.jsonl.xz`, …, each at most `limit` bytes."""
    paths: list[Path] = []
    for index, batch in enumerate(_batches(lines, limit)):
        path = folder / f"{name}-{index:05}.jsonl.xz"
        unfinished = path.with_name(f".{path.name}")
        unfinished.write_bytes(b"".join(batch))
        unfinished.replace(path)
        paths.append(path)
    for stale in set(folder.glob(f"{name}-*.jsonl.xz")) - set(paths):
        stale.unlink()  # of an earlier, longer corpus
    return paths


def _batches(lines: Iterable[bytes], limit: int) -> Iterator[list[bytes]]:
    """Compressed blocks, gathered up to `limit` bytes. xz files may be joined end to end."""
    batch: list[bytes] = []
    for block in _blocks(lines):
        packed = lzma.compress(block, preset=_PRESET)
        if batch and sum(map(len, batch)) + len(packed) > limit:
            yield batch
            batch = []
        batch.append(packed)
    if batch:
        yield batch


def _blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    block = bytearray()
    for line in lines:
        block += line + b"\n"
        if len(block) >= _STEP:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def read_documents(path: Path) -> Iterator[Document]:
    """The documents of one file, in order."""
    with lzma.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield Document.from_line(line)
