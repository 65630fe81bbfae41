"""`infill-lsp models get`: fetch a known model's files, all of them or, the next time, the rest.

The only use of the network in the program, and only when the user asks for it. Files are gathered in
a folder beside the final one, which appears when all are there. The revision is pinned when the first
byte is asked for, so that a download that was interrupted never mixes two.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from engine.models.catalog import KnownModel, known_models
from engine.models.digests import write_digests
from engine.request import EngineError

PATTERNS = ("*.safetensors", "*.json", "LICENSE*", "README.md")
"""Of a repository's files, those that are fetched."""
DISK_RESERVE = 1_000_000_000
"""Bytes that a download must leave free."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a hub has of one model."""

    revision: str
    """Names exactly this content, for ever."""
    licence: str
    sizes: Mapping[str, int]
    """Bytes of each file."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file that the hub knows one of: of its weights."""


class Hub(Protocol):
    """Where models come from. Both calls raise OSError when the network fails."""

    def describe(self, repository: str, revision: str | None) -> Offer:
        """None: the newest revision."""

    def fetch(self, repository: str, revision: str, names: list[str], folder: Path) -> None:
        """Bring `folder` to hold these files; what of them is there already is not fetched again."""


class HuggingFace:
    """The hub that the catalogue's names are of. Shows progress bars on standard error."""

    def describe(self, repository: str, revision: str | None) -> Offer:
        from huggingface_hub import HfApi

        with _as_os_error():
            info = HfApi().model_info(repository, revision=revision, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        wanted = {
            name: size for name, size in sizes.items() if any(map(Path(name).match, PATTERNS))
        }
        licence = info.card_data.license if info.card_data is not None else None
        digests = {
            file.rfilename: file.lfs.sha256
            for file in info.siblings or []
            if file.lfs is not None and file.rfilename in wanted
        }
        return Offer(info.sha or "", str(licence or "unknown"), wanted, digests)

    def fetch(self, repository: str, revision: str, names: list[str], folder: Path) -> None:
        from huggingface_hub import snapshot_download

        with _as_os_error():
            snapshot_download(repository, revision=revision, allow_patterns=names, local_dir=folder)


@contextmanager
def _as_os_error() -> Iterator[None]:
    # Which exceptions leave the library depends on the HTTP client that its version uses.
    try:
        yield
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def get_model(name: str, say: Callable[[str], None], hub: Hub | None = None) -> Path:
    """Fetch the model of that name, unless it is here; returns its folder.

    say: is told, before anything is fetched, what is about to be, and what speaks against it.
    EngineError where it cannot be done; what has been fetched by then is kept for the next time.
    """
    model = _known(name)
    if model.available:
        say(f"{model.title} is here: {model.path}")
        return model.path
    hub = hub or HuggingFace()
    part = model.path.with_name(model.path.name + ".part")
    try:
        offer = _pinned(hub, model, part)
        fetched = sum(
            min(size, (part / file).stat().st_size)
            for file, size in offer.sizes.items()
            if (part / file).is_file()
        )
        missing = sum(offer.sizes.values()) - fetched
        for line in _announcement(model, offer, missing):
            say(line)
        _check_disk(part, missing)
        hub.fetch(model.source, offer.revision, sorted(offer.sizes), part)
        _check_whole(part, offer)
        write_digests(part, offer.digests or None)
        part.rename(model.path)
    except OSError as error:
        raise EngineError(
            f"{model.title} could not be fetched: {error}. Run the same command again; it goes on "
            "where it stopped."
        ) from error
    say(f"{model.title} is here: {model.path}")
    return model.path


def _known(name: str) -> KnownModel:
    models = {model.name: model for model in known_models()}
    if name not in models:
        raise EngineError(f"Unknown model {name!r}. Known are {', '.join(models)}.")
    return models[name]


def _pinned(hub: Hub, model: KnownModel, part: Path) -> Offer:
    """What the hub has, at the revision that an earlier try began with."""
    pin = part / "revision"
    begun = pin.read_text(encoding="utf-8") if pin.is_file() else None
    try:
        offer = hub.describe(model.source, begun)
    except OSError as error:
        if begun is None or "RevisionNotFound" not in str(error):
            raise
        raise EngineError(
            f"The revision {begun} that the download of {model.title} began with is not there any "
            f"more. Delete {part} and run the same command again."
        ) from error
    part.mkdir(parents=True, exist_ok=True)
    pin.write_text(offer.revision, encoding="utf-8")
    return offer


def _announcement(model: KnownModel, offer: Offer, missing: int) -> list[str]:
    size = sum(offer.sizes.values())
    lines = [
        f"{model.title}, {model.source} at {offer.revision}",
        f"licence {offer.licence}, {size / 1e9:.1f} GB, of which {missing / 1e9:.1f} GB to fetch",
    ]
    memory = _largest_memory()
    if memory < model.memory_bytes:
        lines.append(
            f"This machine cannot run it: it needs {model.memory_bytes / 1e9:.0f} GB of memory on one "
            f"device, and the largest here has {memory / 1e9:.0f} GB. Interrupt now if that matters."
        )
    return lines


def _check_disk(folder: Path, missing: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < missing + DISK_RESERVE:
        raise EngineError(
            f"{missing / 1e9:.1f} GB do not fit the disk of {folder}, which has {free / 1e9:.1f} GB "
            "free. Free some room and try again."
        )


def _check_whole(folder: Path, offer: Offer) -> None:
    for file, size in offer.sizes.items():
        path = folder / file
        if not path.is_file() or path.stat().st_size != size:
            raise OSError(f"{file} is not whole")


def _largest_memory() -> int:
    """Bytes of the device that has most."""
    import torch

    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    cuda = [torch.cuda.get_device_properties(index).total_memory for index in devices]
    return max([int(psutil.virtual_memory().total), *cuda])
