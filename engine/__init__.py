"""Tokens and tensors: an infilling engine that runs without any editor.

`load(config)` starts a worker thread and returns at once; torch is imported on that thread.
"""

from engine.config import EngineConfig
from engine.request import (
    Cancelled,
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

__all__ = [
    "Cancelled",
    "Draft",
    "EngineConfig",
    "EngineError",
    "EngineInfo",
    "Fill",
    "InfillEngine",
    "InfillRequest",
    "Job",
    "Snippet",
    "Stats",
    "Stop",
    "Token",
    "load",
]


def load(config: EngineConfig | None = None) -> InfillEngine:
    """Start an engine. Wait for `.ready` to know whether its model could be loaded."""
    from engine.worker import Worker

    return Worker(config or EngineConfig())
