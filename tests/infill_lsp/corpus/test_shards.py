"""Shards hold all lines in order, none is too big, and none is half written."""

import lzma
import random
from pathlib import Path

import pytest

from infill_lsp.corpus.documents import Document
from infill_lsp.corpus.shards import read_documents, write_lines, write_shards

DOCUMENT = Document("a.py", "shop 1.0", "MIT", "python", "x = 1\n\u2028\x0c", {"value": [[4, 5]]})


def test_documents_come_back(tmp_path: Path) -> None:
    (path,) = write_shards(tmp_path, "train", [DOCUMENT.to_line()] * 3)
    assert path.name == "train-00000.jsonl.xz"
    assert list(read_documents(path)) == [DOCUMENT] * 3


def test_many_lines_make_many_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infill_lsp.corpus.shards._STEP", 1000)
    noise = random.Random(0)
    lines = [noise.randbytes(100).hex().encode() for _ in range(100)]
    paths = write_shards(tmp_path, "train", lines, limit=3000)
    assert len(paths) > 2
    assert all(path.stat().st_size <= 3000 for path in paths)
    joined = b"".join(lzma.decompress(path.read_bytes()) for path in paths)
    assert joined == b"".join(line + b"\n" for line in lines)


def test_shards_of_an_earlier_corpus_are_removed(tmp_path: Path) -> None:
    for name in ("train-00000.jsonl.xz", "train-00007.jsonl.xz", "heldout-00007.jsonl.xz"):
        (tmp_path / name).write_bytes(b"old")
    write_shards(tmp_path, "train", [DOCUMENT.to_line()])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "heldout-00007.jsonl.xz",
        "train-00000.jsonl.xz",
    ]


def test_an_interrupted_file_is_not_there(tmp_path: Path) -> None:
    def lines():
        yield DOCUMENT.to_line()
        raise KeyboardInterrupt

    path = tmp_path / "a.jsonl.xz"
    with pytest.raises(KeyboardInterrupt):
        write_lines(path, lines())
    assert not path.exists()
