"""Damage within a model's files is found, and found out once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.models import digests
from engine.models.catalog import BUNDLED
from engine.models.digests import MANIFEST, damaged_files, write_digests


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 4096)
    (folder / "model_card.md").write_text("prose may change")
    write_digests(folder)
    return folder


def test_whole_files_are_right(model: Path) -> None:
    assert damaged_files(str(model)) == ()
    (model / "model_card.md").write_text("and did")
    assert damaged_files(str(model)) == ()


def test_one_wrong_bit_in_the_middle_is_found(model: Path) -> None:
    data = bytearray((model / "model.safetensors").read_bytes())
    data[500_000] ^= 1
    (model / "model.safetensors").write_bytes(data)
    assert damaged_files(str(model)) == ("model.safetensors",)


def test_a_missing_file_is_found(model: Path) -> None:
    (model / "config.json").unlink()
    assert damaged_files(str(model)) == ("config.json",)


def test_a_file_is_read_once_for_each_change(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    sha256 = digests._sha256
    monkeypatch.setattr(digests, "_sha256", lambda path: read.append(path.name) or sha256(path))
    assert damaged_files(str(model)) == damaged_files(str(model)) == ()
    assert sorted(read) == ["config.json", "model.safetensors"]
    (model / "config.json").write_text("{ }")
    assert damaged_files(str(model)) == ("config.json",)
    assert damaged_files(str(model)) == ("config.json",), "what is wrong is not remembered as right"


def test_no_manifest_no_judgement(model: Path, tmp_path: Path) -> None:
    (model / MANIFEST).unlink()
    assert damaged_files(str(model)) == ()
    assert damaged_files(str(tmp_path / "nowhere")) == ()
    assert damaged_files('{"answer": 1}') == ()


def test_the_bundled_model_is_as_it_was_made() -> None:
    listed = {line.split("  ")[1] for line in (BUNDLED / MANIFEST).read_text().splitlines()}
    assert {path.name for path in BUNDLED.glob("*.safetensors")} <= listed
    assert damaged_files("bundled") == ()


def test_nothing_heavy_is_imported_for_it() -> None:
    code = "import engine, sys; engine.damaged_files('x'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
