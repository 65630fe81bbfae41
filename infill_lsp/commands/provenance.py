"""Where a measurement comes from: what must stand beside every number that is written down."""

from __future__ import annotations

import importlib.metadata
import shlex
from collections.abc import Mapping

from engine import EngineConfig
from engine.bench.source import commit

__all__ = ["commit", "engine_options", "eval_command", "versions"]


def versions(*packages: str) -> dict[str, str]:
    """Each package's installed version."""
    return {name: importlib.metadata.version(name) for name in packages}


def engine_options(config: EngineConfig) -> dict[str, object]:
    """The options that name this model on this device."""
    return {"--model": config.model, "--device": config.device, "--threads": config.threads}


def eval_command(suite: str, options: Mapping[str, object]) -> str:
    """What to type to get the same numbers. options: by name; True for one that stands alone, and
    None or False for one that was not given."""
    words: list[str] = []
    for name, value in options.items():
        if value is not None and value is not False:
            words += [name] if value is True else [name, str(value)]
    return shlex.join(["infill-lsp", "eval", suite, *words])
