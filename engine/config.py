"""How an engine is set up. Few fields; everything else follows from the model and the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Quantization = Literal["auto", "none", "int8", "fp8", "int4"]

AUTO = "auto"
"""Instead of a model's name: the engine chooses, and says why (`EngineInfo.chosen`)."""
PROMPT_BUDGET = 8192
"""Tokens of prompt and canvas together, whatever the model could take."""
CANVAS_LIMIT = 256
"""Tokens in one canvas, anchors included."""
CANVAS_SIZES = (16, 32, 64, 128, 256)
"""Canvases are padded to one of these, so that a device sees few shapes."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Everything `engine.load` needs."""

    model: str = AUTO
    """`auto`: the larger model of the bundled one's kind where it is here and quick enough on this
    machine, else the bundled one. Or a name from the table in `engine.models`, or a folder with weights."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    quantization: Quantization = "auto"
    """`auto`: the bundled model in 4 bits on a CPU that has a product for them, else int8; none on CUDA;
    DiffusionGemma with as many bits as fit the free memory. fp8 is for DiffusionGemma only."""
    threads: int | None = None
    """CPU threads for the model. None: torch decides."""
    max_steps: int | None = None
    """Most denoising steps a canvas. None: the model's own default."""
    budget: int = PROMPT_BUDGET
    """Tokens of prompt and canvas together."""
    background_prompt: bool = True
    """Grow the prompt's cache while nobody waits (matters on a CPU, where encoding is slow)."""

    bundled_instead: bool = False
    """Where the model cannot be loaded, load the bundled one on the CPU, and say so."""

    def __post_init__(self) -> None:
        if not CANVAS_LIMIT < self.budget <= PROMPT_BUDGET:
            raise ValueError(
                f"budget must be more than {CANVAS_LIMIT} and at most {PROMPT_BUDGET}, not {self.budget}"
            )
