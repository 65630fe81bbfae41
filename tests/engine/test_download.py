"""Fetching a model, against a hub that is only a dictionary."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

from engine.models import download
from engine.models.catalog import known_models
from engine.models.download import get_model
from engine.models.hub import HuggingFace, Offer
from engine.request import EngineError

NAME = "diffusiongemma"


class FakeHub:
    """Keeps every revision; the network may fail after some files."""

    def __init__(self) -> None:
        self.revisions = {"aaa": {"config.json": b"{}", "model.safetensors": b"old weights"}}
        self.newest = "aaa"
        self.fetched: list[str] = []
        self.fails_after: int | None = None

    def describe(self, repository: str, revision: str | None) -> Offer:
        assert repository == "google/diffusiongemma-26B-A4B-it"
        wanted = revision or self.newest
        sizes = {name: len(content) for name, content in self.revisions[wanted].items()}
        return Offer(wanted, "apache-2.0", sizes)

    def fetch(self, repository: str, revision: str, names: list[str], folder: Path) -> None:
        for count, name in enumerate(names):
            if count == self.fails_after:
                raise ConnectionError("the line is dead")
            if not (folder / name).exists():
                self.fetched.append(f"{revision}/{name}")
                (folder / name).write_bytes(self.revisions[revision][name])


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of fetched models, and a machine that could run any."""
    monkeypatch.setattr("engine.models.catalog.models_folder", lambda: tmp_path / "models")
    monkeypatch.setattr(download, "_largest_memory", lambda: 10**12)
    return tmp_path / "models"


def here() -> bool:
    return next(model for model in known_models() if model.name == NAME).available


def test_a_model_is_fetched_once(hub: FakeHub, models: Path) -> None:
    said: list[str] = []
    assert get_model(NAME, said.append, hub=hub) == models / NAME
    assert here()
    assert (models / NAME / "model.safetensors").read_bytes() == b"old weights"
    assert get_model(NAME, said.append, hub=hub) == models / NAME
    assert hub.fetched == ["aaa/config.json", "aaa/model.safetensors"]
    assert "aaa" in said[0]
    assert "licence apache-2.0" in said[1]
    assert len([line for line in said if "is here" in line]) == 2
    assert not any("cannot run" in line for line in said)


def test_an_interrupted_download_goes_on_with_the_same_revision(hub: FakeHub, models: Path) -> None:
    hub.fails_after = 1
    with pytest.raises(EngineError, match=r"the line is dead.*goes on"):
        get_model(NAME, print, hub=hub)
    assert not here()
    hub.revisions["bbb"] = {"config.json": b"[]", "model.safetensors": b"new"}
    hub.newest, hub.fails_after = "bbb", None
    get_model(NAME, print, hub=hub)
    assert hub.fetched == ["aaa/config.json", "aaa/model.safetensors"]
    assert (models / NAME / "revision").read_text() == "aaa"


def test_a_revision_that_is_gone_is_named_with_the_cure(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fails_after = 1
    with pytest.raises(EngineError):
        get_model(NAME, print, hub=hub)

    def gone(repository: str, revision: str | None) -> Offer:
        raise OSError(f"RevisionNotFoundError: no {revision}")

    monkeypatch.setattr(hub, "describe", gone)
    with pytest.raises(EngineError, match=r"aaa .* not there any more. Delete .*part"):
        get_model(NAME, print, hub=hub)


def test_a_file_that_is_not_whole_is_no_model(hub: FakeHub, monkeypatch: Any) -> None:
    def half(repository: str, revision: str, names: list[str], folder: Path) -> None:
        for name in names:
            (folder / name).write_bytes(hub.revisions[revision][name][:1])

    monkeypatch.setattr(hub, "fetch", half)
    with pytest.raises(EngineError, match="not whole"):
        get_model(NAME, print, hub=hub)
    assert not here()


def test_nothing_is_fetched_onto_a_full_disk(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(free=download.DISK_RESERVE + 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(EngineError, match="do not fit the disk"):
        get_model(NAME, print, hub=hub)
    assert hub.fetched == []
    full.free += 10
    get_model(NAME, print, hub=hub)
    assert here()


def test_too_little_memory_is_said_before_the_wait(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_largest_memory", lambda: 8 * 10**9)
    said: list[str] = []
    get_model(NAME, said.append, hub=hub)
    assert "needs 16 GB" in said[2]
    assert "has 8 GB" in said[2]


def test_what_is_bundled_needs_no_network(hub: FakeHub) -> None:
    assert (get_model("bundled", print, hub=hub) / "config.json").is_file()
    assert hub.fetched == []


def test_an_unknown_name_lists_the_known(hub: FakeHub) -> None:
    with pytest.raises(EngineError, match=r"'gpt-9'.*bundled, .*diffusiongemma"):
        get_model("gpt-9", print, hub=hub)


def test_the_hub_is_asked_for_exact_content(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def model_info(self: object, repository: str, **wanted: Any) -> Any:
        asked["info"] = (repository, wanted)
        names = ("config.json", "a.safetensors", "LICENSE", "pytorch_model.bin", "notes.txt")
        return SimpleNamespace(
            sha="abc",
            siblings=[SimpleNamespace(rfilename=name, size=3, lfs=None) for name in names],
            card_data=SimpleNamespace(license="apache-2.0"),
        )

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **how: asked.update(fetch=(name, how))
    )
    hub = HuggingFace()
    offer = hub.describe("a/b", None)
    assert offer == Offer(
        "abc", "apache-2.0", dict.fromkeys(("config.json", "a.safetensors", "LICENSE"), 3)
    )
    assert asked["info"] == ("a/b", {"revision": None, "files_metadata": True})
    hub.fetch("a/b", "abc", ["config.json"], tmp_path)
    assert asked["fetch"] == (
        "a/b",
        {"revision": "abc", "allow_patterns": ["config.json"], "local_dir": tmp_path},
    )


def test_whatever_the_hubs_library_raises_is_one_line_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class ClientError(Exception):
        """Of an HTTP library: no OSError."""

    def model_info(*_: object, **__: object) -> None:
        raise ClientError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    with pytest.raises(EngineError, match=r"ClientError: no route.*same command again"):
        get_model(NAME, print)
