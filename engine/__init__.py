"""Tokens and tensors: an infilling engine that runs without any editor.

`load(config)` starts a worker thread and returns at once; torch is imported on that thread.
"""

import os
from collections.abc import Callable

from engine.config import AUTO, EngineConfig
from engine.diagnosis import Finding, diagnose
from engine.models.catalog import KnownModel, known_models
from engine.models.digests import damaged_files
from engine.models.download import get_model
from engine.request import (
    Cancelled,
    CanvasFullError,
    Draft,
    EngineError,
    EngineInfo,
    Fill,
    InfillEngine,
    InfillRequest,
    Job,
    Snippet,
    Stats,
    Stop,
    Token,
)

# Read when torch is first imported. Its threads wait for one another by spinning, for milliseconds;
# while a compiler keeps the cores busy, a pass then takes 10 to 50 times as long. With this short a
# spin it takes twice as long, and on an idle machine a twentieth more.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

__all__ = [
    "AUTO",
    "Cancelled",
    "CanvasFullError",
    "Draft",
    "EngineConfig",
    "EngineError",
    "EngineInfo",
    "Fill",
    "Finding",
    "InfillEngine",
    "InfillRequest",
    "Job",
    "KnownModel",
    "Snippet",
    "Stats",
    "Stop",
    "Token",
    "damaged_files",
    "diagnose",
    "get_model",
    "known_models",
    "load",
]


def load(
    config: EngineConfig | None = None, on_progress: Callable[[float, str], None] | None = None
) -> InfillEngine:
    """Start an engine. Wait for `.ready` to know whether its model could be loaded.

    `on_progress(share, what)`, share 0 to 1, is called on the engine's thread while it loads.
    """
    from engine.worker import Worker

    return Worker(config or EngineConfig(), on_progress)
