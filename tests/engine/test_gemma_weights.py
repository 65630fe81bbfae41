"""From a folder that transformers wrote to a model: strictly, in little memory, in few bits."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gemma_checkpoint
import pytest
import torch
from gemma_checkpoint import random_ids
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine.bench.shapes import PUBLISHED
from engine.models import gemma_weights, kernels, packing
from engine.models.catalog import known_models
from engine.models.diffusion_gemma import DiffusionGemma, GemmaKV
from engine.models.forms import BITS, Form, pack, unpack
from engine.models.gemma_config import read_gemma_config
from engine.models.gemma_weights import load_diffusion_gemma, pack_matrices
from engine.models.loading import form_that_fits
from engine.models.packed import PackedEmbedding, PackedLinear
from engine.request import EngineError

CPU, META = torch.device("cpu"), torch.device("meta")
FORMS: tuple[Form, ...] = ("int8", "fp8", "int4")
CURE = "[Rr]einstall.*download"


def load(folder: Path, form: Form | None = None, **more: Any) -> DiffusionGemma:
    config = read_gemma_config(folder)
    return load_diffusion_gemma(folder, config, CPU, torch.float32, form, **more)


def answer(model: DiffusionGemma) -> Tensor:
    kv = model.new_kv()
    model.encode(random_ids(40), kv)
    rows = torch.arange(12)[None]
    first = model.denoise(random_ids(1, 12), kv, rows)
    return model.denoise(random_ids(1, 12), kv, rows, first)


@pytest.fixture
def folder(gemma_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(gemma_folder, tmp_path / "copy"))


def change(folder: Path, name: str, edit: Callable[[dict[str, Tensor]], Any]) -> None:
    """Edit the file that holds the tensor `name`."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    path = folder / index["weight_map"][name]
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)


NORM = "model.decoder.norm.weight"
KEYS = "model.decoder.layers.0.self_attn.k_proj.weight"
SCALE = "model.encoder.language_model.layers.3.layer_scalar"


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        (NORM, lambda tensors: tensors.pop(NORM), f"missing {NORM}"),
        (SCALE, lambda tensors: tensors.pop(SCALE), f"missing {SCALE}"),
        (NORM, lambda tensors: tensors.update(extra=torch.ones(1)), "unexpected extra"),
        (
            NORM,
            lambda tensors: tensors.update({"model.encoder.extra": torch.ones(1)}),
            "unexpected model.encoder.extra",
        ),
        (
            # Full layers have no values of their own.
            NORM,
            lambda tensors: tensors.update({KEYS.replace("0.self_attn.k", "2.self_attn.v"): torch.ones(1)}),
            "unexpected .*2.self_attn.v_proj",
        ),
        (
            KEYS,
            lambda tensors: tensors.update({KEYS: torch.ones(31, 96)}),
            r"k_proj.weight.* is .*\[31, 96\].*, not \[128, 96\]",
        ),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(
    folder: Path, name: str, edit: Callable[[dict[str, Tensor]], Any], message: str
) -> None:
    change(folder, name, edit)
    with pytest.raises(EngineError, match=f"{message}.*{CURE}"):
        load(folder)


def test_vision_is_passed_over_and_nothing_else(gemma_folder: Path) -> None:
    """Every other stored tensor is used exactly once."""
    index = json.loads((gemma_folder / "model.safetensors.index.json").read_text())
    stored = set(index["weight_map"])
    vision = {name for name in stored if "vision" in name}
    assert len(vision) > 10
    names = gemma_weights.stored_names(read_gemma_config(gemma_folder))
    used = [part for parts in names.values() for part in parts]
    assert sorted(used) == sorted(stored - vision)


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    fields = json.loads(path.read_text())
    fields["text_config"].update(changes)
    path.write_text(json.dumps(fields))


ROTARY: dict[str, Any] = {
    "sliding_attention": {"rope_theta": 1e4},
    "full_attention": {"rope_type": "proportional", "rope_theta": 1e6},
}


def test_rotary_positions_of_the_built_kinds_are_taken(folder: Path) -> None:
    """So that what is refused below is refused for what differs from this."""
    edit_config(folder, rope_parameters=ROTARY)
    config = read_gemma_config(folder)
    assert (config.sliding.rotary_share, config.full.rotary_share) == (1.0, 1.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"attention_bias": True},
        {"hidden_activation": "silu"},
        {"use_bidirectional_attention": "all"},
        {"tie_word_embeddings": False},
        {"layer_types": ["chunked_attention"]},
        {"rope_parameters": ROTARY | {"full_attention": {"rope_type": "yarn", "rope_theta": 1e6}}},
        {"rope_parameters": ROTARY | {"sliding_attention": {"rope_theta": 1e4, "factor": 2.0}}},
        {"per_layer_config": {"0": {"head_dim": 32}}},
        {"num_attention_heads": 3},
        {"num_experts": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_built_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    edit_config(folder, **changes)
    with pytest.raises(EngineError, match=f"config.json is not .*{CURE}"):
        read_gemma_config(folder)


def test_older_files_name_the_full_layers_otherwise(folder: Path) -> None:
    wanted = read_gemma_config(folder)
    path = folder / "config.json"
    fields = json.loads(path.read_text())
    del fields["text_config"]["per_layer_config"]
    path.write_text(json.dumps(fields))
    edit_config(folder, global_head_dim=32, num_global_key_value_heads=1)
    assert read_gemma_config(folder) == wanted


def test_what_ends_a_text_is_read(folder: Path) -> None:
    assert read_gemma_config(folder).spec.eos_ids == gemma_checkpoint.EOS_IDS
    (folder / "generation_config.json").unlink()
    assert read_gemma_config(folder).spec.eos_ids == (1,)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("form", "most"), [("int8", 0.009), ("fp8", 0.03), ("int4", 0.08)])
def test_packed_numbers_are_near(form: Form, most: float) -> None:
    """Root mean square, relative; and in the bits that are said."""
    weight = random(64, 1024)
    parts = pack(form, weight)
    assert (unpack(form, parts) - weight).norm() / weight.norm() < most
    bits = sum(part.nbytes for part in parts.values()) * 8 / weight.numel()
    assert bits == pytest.approx(BITS[form], rel=0.01)


@pytest.mark.parametrize("form", FORMS)
def test_a_packed_matrix_multiplies_as_what_it_keeps(form: Form) -> None:
    weight, rows = random(64, 96), random(5, 96)
    linear = PackedLinear(form, (64, 96), torch.float32, CPU)
    for part in (slice(0, 40), slice(40, 64)):
        linear.put(part, weight[part])
    kept = unpack(form, pack(form, weight))
    torch.testing.assert_close(linear(rows), rows @ kept.T)


@pytest.mark.parametrize("form", FORMS)
def test_a_packed_embedding_serves_all_its_uses(
    form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels.plain, "TABLE_ROWS_AT_ONCE", 20)
    table, rows, shares = random(50, 32), random(3, 32), random(3, 50).softmax(-1)
    embedding = PackedEmbedding(form, (50, 32), torch.float32, CPU)
    embedding.put(slice(0, 50), table)
    kept = unpack(form, pack(form, table))
    torch.testing.assert_close(embedding(torch.tensor([[3, 49]])), kept[[3, 49]][None])
    torch.testing.assert_close(kernels.product(rows, embedding.matrix), rows @ kept.T)
    torch.testing.assert_close(kernels.mean(shares, embedding.matrix), shares @ kept)


@pytest.mark.parametrize(("form", "distance"), [("int8", 0.05), ("fp8", 0.12), ("int4", 0.3)])
def test_a_packed_checkpoint_says_nearly_the_same(
    tmp_path: Path, form: Form, distance: float
) -> None:
    """Mean distance of log-probabilities after a step with self-conditioning, against float32.

    All experts are chosen: near a tie another one would be, which is a leap and no distance.
    """
    folder = gemma_checkpoint.write(tmp_path, gemma_checkpoint.reference(top_k_experts=8))
    said: list[str] = []
    packed = load(folder, form, progress=lambda _, text: said.append(text))
    off = answer(packed).log_softmax(-1) - answer(load(folder)).log_softmax(-1)
    print(f"{form}: {off.abs().mean():.4f};", "; ".join(said))
    assert 0 < off.abs().mean() < distance
    assert all(f"({form}, " in text and "% off)" in text for text in said)


class Peak(TorchDispatchMode):
    """Notes the most bytes that tensors held at once."""

    def __init__(self) -> None:
        super().__init__()
        self.held = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and tensor.device.type == "cpu":
                storage = tensor.untyped_storage()
                # This is how a tensor is made of a mapped file, which takes no memory of its own.
                mapped = func is torch.ops.aten.set_.source_Storage
                self._note(storage, 0 if mapped else storage.nbytes())
        return result

    def _note(self, storage: Any, size: int) -> None:
        place = storage.data_ptr()
        if place in self.known:
            return
        self.known.add(place)
        self.held += size
        self.most = max(self.most, self.held)
        weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self.known.discard(place)
        self.held -= size


@pytest.mark.parametrize("form", [None, "int8", "fp8", "int4"])
def test_loading_takes_little_more_memory_than_the_model_then_has(
    tmp_path: Path, form: Form | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many experts, as in the real model, of which one is in hand at a time."""
    monkeypatch.setattr(gemma_weights, "ROWS_AT_ONCE", 32)
    monkeypatch.setattr(packing, "KEPT", (1.0,))  # seconds less, and as much memory
    monkeypatch.setattr(packing, "REFITS", 0)
    folder = gemma_checkpoint.write(tmp_path, gemma_checkpoint.reference(num_experts=96))
    with Peak() as peak:
        model = load(folder, form)
    held = sum(tensor.nbytes for tensor in [*model.parameters(), *model.buffers()])
    assert held <= peak.most < 1.1 * held


def test_four_bits_and_a_full_cache_of_the_real_model_fit_18_gb() -> None:
    """Counted on `meta`: nothing is allocated. Logits and a step's own numbers come on top."""
    assert PUBLISHED.parameters == pytest.approx(25.2e9, rel=0.005)
    with META:
        model = DiffusionGemma(PUBLISHED)
    pack_matrices(model, "int4", torch.bfloat16)
    plain = sum(2 * each.numel() for each in model.parameters())
    packed = sum(each.nbytes for name, each in model.named_buffers() if "rotary" not in name)
    tables = sum(each.nbytes for name, each in model.named_buffers() if "rotary" in name)
    kv = GemmaKV(PUBLISHED, META, torch.bfloat16)
    kv.reserve(8192)
    kv.advance(8192)
    parts = {"weights": packed + plain, "positions": tables, "cache": kv.nbytes}
    print({name: f"{size / 1e9:.2f} GB" for name, size in parts.items()})
    assert kv.nbytes == 8192 * 225_280
    assert sum(parts.values()) < 18e9

    known = next(model for model in known_models() if model.name == "diffusiongemma")
    assert known.parameters == pytest.approx(PUBLISHED.parameters, rel=0.005)
    assert known.memory_bytes == pytest.approx(parts["weights"], rel=0.005)


@pytest.mark.parametrize(
    ("free", "form"), [(80e9, None), (59e9, "fp8"), (30e9, "fp8"), (29e9, "int4"), (1e9, "int4")]
)
def test_as_many_bits_as_fit(free: float, form: Form | None) -> None:
    assert form_that_fits(PUBLISHED.parameters, torch.bfloat16, int(free)) == form
