"""The models: what is known (`catalog.py`, read without torch), and `load_model`, which brings torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.config import EngineConfig
from engine.request import EngineInfo

if TYPE_CHECKING:
    from engine.models.base import DenoisingModel
    from engine.tokenizer import Tokenizer


def load_model(
    config: EngineConfig, progress: Callable[[float, str], None] | None = None
) -> tuple[DenoisingModel, Tokenizer, EngineInfo]:
    """See `engine.models.loading.load_model`."""
    from engine.models import loading

    return loading.load_model(config, progress)
