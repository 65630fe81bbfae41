"""Where models come from: Hugging Face's hub, behind a protocol of two calls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

PATTERNS = ("*.safetensors", "*.json", "LICENSE*", "README.md")
"""Of a repository's files, those that are fetched."""
LOOK_SECONDS = 0.5
"""Between two looks at how much has come."""

Progress = Callable[[float, str], None]
"""Told the share that is done, 0 to 1, and what is being done. Called from any thread."""


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
    """The hub that the catalogue's names are of."""

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
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()  # whoever asked draws their own
        # It tries five times, and says so each time.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        with _as_os_error():
            snapshot_download(repository, revision=revision, allow_patterns=names, local_dir=folder)


@contextmanager
def watched(folder: Path, size: int, what: str, progress: Progress | None) -> Iterator[None]:
    """Tell `progress` how much of `size` bytes `folder` holds, until the block ends."""
    if progress is None:
        yield
        return
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            progress(min(1.0, bytes_in(folder) / max(1, size)), what)

    thread = threading.Thread(target=look, name="download progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def bytes_in(folder: Path) -> int:
    """Of all files in a folder and below; a file that vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


@contextmanager
def _as_os_error() -> Iterator[None]:
    # Which exceptions leave the library depends on the HTTP client that its version uses.
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split())
        raise OSError(f"{type(error).__name__}: {said}") from error
