"""Tiny random models, one of each kind, for every test of the engine."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gemma_checkpoint
import pytest
import torch

from engine.config import EngineConfig
from engine.models import load_model
from engine.models.base import DenoisingModel, ModelSpec, Noise, Order
from engine.models.block_llama import BlockLlama, BlockLlamaConfig
from engine.request import EngineInfo
from engine.tokenizer import Tokenizer

# Tiny tensors gain nothing from threads, and lose much where several test runs share the cores.
torch.set_num_threads(1)

TINY_VOCABULARY = 272
"""256 ordinary ids, then specials: 256 mask, 257 delete, 258 end of text, 259 begin, the rest unused."""


def tiny_model(
    noise: Noise, order: Order, shift: bool, delete: bool = False, seed: int = 0
) -> BlockLlama:
    """Two layers of width 32, float32, random but the same for the same `seed`."""
    spec = ModelSpec(
        name=f"tiny-{noise}-{order}",
        noise=noise,
        order=order,
        shift=shift,
        vocab_size=TINY_VOCABULARY,
        context_length=2048,
        eos_ids=(258,),
        mask_id=256 if noise == "mask" else None,
        delete_id=257 if delete else None,
        bos_id=259,
        forbidden_ids=tuple(range(259, TINY_VOCABULARY)),
        licence="Apache-2.0",
    )
    config = BlockLlamaConfig(
        layers=2,
        width=32,
        heads=4,
        kv_heads=2,
        head_dim=8,
        inner=64,
        rotary_base=100_000.0,
        norm_epsilon=1e-5,
        spec=spec,
    )
    model = BlockLlama(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            # Wide enough that the logits differ clearly from one another.
            parameter.normal_(0.0, 1.5 * parameter.shape[1] ** -0.5, generator=generator)
        else:
            parameter.uniform_(0.5, 1.5, generator=generator)
    return model


@pytest.fixture(scope="session")
def tiny_mask_model() -> BlockLlama:
    return tiny_model("mask", "any", shift=True)


@pytest.fixture(scope="session")
def tiny_uniform_model() -> BlockLlama:
    return tiny_model("uniform", "any", shift=False)


@pytest.fixture(scope="session")
def tiny_causal_model() -> BlockLlama:
    return tiny_model("mask", "left_to_right", shift=True)


class ByteTokenizer:
    """A token for each byte: ids 0 to 255. Keeps the interface of `engine.tokenizer.Tokenizer`."""

    vocab_size = TINY_VOCABULARY
    newline_ids = (10, 13)

    def chunks(self, text: str) -> list[str]:
        return re.findall(r"\n*[^\n]+|\n+", text)

    def encode_chunk(self, chunk: str) -> tuple[int, ...]:
        return tuple(chunk.encode())

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return bytes(id_ for id_ in ids if id_ < 256)

    def decode(self, ids: Sequence[int]) -> str:
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def token_bytes(self, id_: int) -> bytes:
        return bytes([id_]) if id_ < 256 else b""

    def ids_with_prefix(self, prefix: bytes) -> list[int]:
        return [prefix[0]] if len(prefix) == 1 else []

    def find_cut(self, text: str, start: int) -> int | None:
        found = re.compile(r"(?<=[^\n])(?=\n)").search(text, start)
        return found.start() if found else None

    def stump(self, text: str, one_token: bool = False) -> str:
        return text[-1:] if text[-1:].isascii() else ""

    def ways_on(self, rest: bytes) -> list[int]:
        return [rest[0]]


@pytest.fixture(autouse=True, scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """So that no test leaves packed weights in the user's own cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def byte_tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture(scope="session")
def bundled() -> tuple[DenoisingModel, Tokenizer, EngineInfo]:
    """The model that comes with the package, as a CPU user gets it."""
    return load_model(EngineConfig(device="cpu"))


@pytest.fixture(scope="session")
def gemma_reference() -> Any:
    """transformers' own DiffusionGemma, small and random."""
    return gemma_checkpoint.reference()


@pytest.fixture(scope="session")
def gemma_folder(gemma_reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it wrote, with a tokenizer. Not to be changed."""
    return gemma_checkpoint.write(tmp_path_factory.mktemp("gemma"), gemma_reference)


CORPUS_CODE = "def area(width, height):\n    total = width * height\n    return total\n\n\n" * 24


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Of one document, as `infill-lsp train data` packs them."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for split in ("train", "heldout"):
        with lzma.open(folder / f"{split}-00000.jsonl.xz", "wt", encoding="utf-8") as file:
            line = {"path": "a.py", "language": "python", "text": CORPUS_CODE, "spans": {}}
            file.write(json.dumps(line) + "\n")
    manifest = {
        "train": {"packages": 1, "documents": 1, "bytes": 9, "languages": {}, "dropped": {}},
        "benchmark_problem_runs": 0,
        "packages": [],
    }
    manifest["heldout"] = manifest["train"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
