"""Which models were offered on this machine: each once, by whichever editor or command comes first. Who was
asked is not asked again, whatever they answered.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import platformdirs

from engine import KnownModel


def take(name: str) -> bool:
    """Whether to offer this model now. True only once, also where several ask at the same time, and never
    where that cannot be remembered."""
    try:
        _mark(name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _mark(name).touch(exist_ok=False)
    except OSError:
        return False
    return True


def give_back(name: str) -> None:
    """Let it be offered once more: what was agreed to did not come to its end."""
    with suppress(OSError):
        _mark(name).unlink()


def text(model: KnownModel) -> str:
    """What to ask."""
    return (
        f"{model.title} writes better code than the bundled model and is quick enough on this machine. "
        f"Fetch it once ({model.download_bytes / 1e9:.1f} GB, licence {model.licence})?"
    )


def _mark(name: str) -> Path:
    return platformdirs.user_state_path("infill-lsp", appauthor=False) / "offered" / name
