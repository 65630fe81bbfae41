"""The command that cuts a vocabulary, from a small one and a small corpus."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
from tokenizers.pre_tokenizers import ByteLevel

from engine.tokenizer import Tokenizer
from engine.train.vocabulary import SPECIALS, main, texts_of, usefulness

MERGES = ["d e", "de f", "Ġ def", "Ċ Ċ", ") :", "): Ċ", "o f", "Ġ of"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = {
        "train": [("a", "python", "def of of of"), ("b", "python", "x def def\n\n")],
        "heldout": [("c", "python", "def(): of"), ("d", "go", "def")],
    }
    for split, documents in rows.items():
        with lzma.open(folder / f"{split}-00000.jsonl.xz", "wt", encoding="utf-8") as out:
            for package, language, text in documents:
                row = {"package": package, "language": language, "text": text}
                out.write(json.dumps(row) + "\n")
    return folder


@pytest.fixture(autouse=True)
def _model(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(merge.replace(" ", "") for merge in MERGES), *SPECIALS, "[PAD0]"]

    def field(values: list[str]) -> Any:
        return SimpleNamespace(contents=lambda: values)

    fields = {"tokenizer.ggml.tokens": field(tokens), "tokenizer.ggml.merges": field(MERGES)}
    monkeypatch.setattr(gguf, "GGUFReader", lambda _: SimpleNamespace(fields=fields))


def test_what_the_corpus_uses_stays_and_the_rest_is_measured(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    size = 256 + len(SPECIALS) + 4
    main(["model.gguf", str(corpus), str(out), f"--size={size}"])
    tokenizer = Tokenizer(out / "tokenizer.json")
    old_ids = json.loads((out / "old_ids.json").read_text())
    assert len(old_ids) == tokenizer.vocab_size == size
    kept = {tokenizer.token_bytes(id_) for id_ in range(size)}
    # ` of` was used most, then `def`, ` def` and two line breaks; for four there is room.
    assert {b"of", b" of", b"de", b"def"} <= kept
    assert not {b" def", b"\n\n", b"):"} & kept
    assert tokenizer.id_of("<|fim_middle|>") is not None
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert printed["go"].endswith("100.000 % as before")
    assert "9 characters" in printed["python"]
    assert not printed["python"].endswith("100.000 % as before")


def test_what_many_use_is_worth_more_than_what_one_repeats() -> None:
    one, many = usefulness([np.array([16, 4]), np.array([0, 4])])
    assert many == one == 4
    assert usefulness([np.array([9, 9])] * 2).tolist() == [6, 6]


def test_further_texts_are_files_or_folders_of_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    (tmp_path / "b.bin").write_bytes(b"\xff\xfe")
    (tmp_path / "c.bin").write_bytes(b"a\0b")
    assert list(texts_of(tmp_path)) == ["one"]
    assert list(texts_of(tmp_path / "a.md")) == ["one"]
