"""A folder as transformers writes it → `DiffusionGemma`, strictly: every tensor of the text model and
no other; those of the vision tower, which is not built, are passed over by name.

Tensors go to the device piece by piece (an expert's matrix, some thousand rows) and are packed on
the way, so that little more memory is taken than the model then has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.models.diffusion_gemma import DiffusionGemma, DiffusionGemmaConfig
from engine.models.forms import Form
from engine.models.gemma_layers import Embedding, ExpertLinear
from engine.models.packed import Packed, PackedEmbedding, PackedExpertLinear, PackedLinear
from engine.models.shards import Shards

ROWS_AT_ONCE = 4096
DECODER = "model.decoder."
ENCODER = "model.encoder.language_model."
PASSED_OVER = ("model.encoder.vision_tower.", "model.encoder.embed_vision.")

Progress = Callable[[float, str], None]
Names = dict[str, tuple[str, ...]]
"""For each parameter the stored tensors that make it, one above the other."""

ONCE: Names = {
    "embedding.weight": (DECODER + "embed_tokens.weight",),
    "norm.weight": (DECODER + "norm.weight",),
    "self_conditioning.before.weight": (DECODER + "self_conditioning.pre_norm.weight",),
    "self_conditioning.dense.gate_up.weight": (
        DECODER + "self_conditioning.gate_proj.weight",
        DECODER + "self_conditioning.up_proj.weight",
    ),
    "self_conditioning.dense.down.weight": (DECODER + "self_conditioning.down_proj.weight",),
}
IN_A_LAYER: Names = {
    "attention.query_norm.weight": ("self_attn.q_norm.weight",),
    "attention.key_norm.weight": ("self_attn.k_norm.weight",),
    "attention.output.weight": ("self_attn.o_proj.weight",),
    "dense.gate_up.weight": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
    "dense.down.weight": ("mlp.down_proj.weight",),
    "router.weight": ("router.proj.weight",),
    "router.scale": ("router.scale",),
    "router.expert_scale": ("router.per_expert_scale",),
    "experts.gate_up.weight": ("experts.gate_up_proj",),
    "experts.down.weight": ("experts.down_proj",),
    "before_attention.weight": ("input_layernorm.weight",),
    "after_attention.weight": ("post_attention_layernorm.weight",),
    "before_dense.weight": ("pre_feedforward_layernorm.weight",),
    "after_dense.weight": ("post_feedforward_layernorm_1.weight",),
    "before_experts.weight": ("pre_feedforward_layernorm_2.weight",),
    "after_experts.weight": ("post_feedforward_layernorm_2.weight",),
    "after_both.weight": ("post_feedforward_layernorm.weight",),
    "decoder_scale": ("layer_scalar",),
}


def stored_names(config: DiffusionGemmaConfig) -> Names:
    """Where each parameter of the model is found."""
    names = dict(ONCE)
    for index, shape in enumerate(config.shapes):
        here, there = f"layers.{index}.", f"{DECODER}layers.{index}."
        for name, stored in IN_A_LAYER.items():
            names[here + name] = tuple(there + each for each in stored)
        made = "qk" if shape.keys_are_values else "qkv"
        names[here + "attention.qkv.weight"] = tuple(
            f"{there}self_attn.{letter}_proj.weight" for letter in made
        )
        # The one thing that the encoder does not share with the decoder.
        names[here + "encoder_scale"] = (f"{ENCODER}layers.{index}.layer_scalar",)
    return names


def load_diffusion_gemma(
    folder: Path,
    config: DiffusionGemmaConfig,
    device: torch.device,
    dtype: torch.dtype,
    form: Form | None = None,
    progress: Progress | None = None,
) -> DiffusionGemma:
    """Build the model and fill it, one layer after another.

    dtype: of activations, and of weights that are not packed. form: of all large matrices; None:
        they are not packed.
    progress: called with the share done, 0 to 1, and a text, which says how far the packed numbers
        of a layer are from the stored ones (root mean square, relative).
    """
    with torch.device("meta"):
        model = DiffusionGemma(config)
    with ExitStack() as stack:
        filler = _Filler(model, Shards(folder, stack), device, dtype)
        filler.check()
        if form is not None:
            pack_matrices(model, form, dtype)
        for name in ("embedding", "norm", "self_conditioning"):
            filler.fill(name)
        for index in range(len(model.layers)):
            error = filler.fill(f"layers.{index}")
            if progress is not None:
                loss = "" if form is None else f" ({form}, {error:.1%} off)"
                done = f"layer {index + 1} of {len(model.layers)}{loss}"
                progress((index + 1) / len(model.layers), done)
    model.sliding_rotary.to(device)
    model.full_rotary.to(device)
    return model.eval().requires_grad_(False)


def pack_matrices(model: DiffusionGemma, form: Form, dtype: torch.dtype) -> None:
    """Put packed matrices, still empty, where a model on `meta` has plain ones.

    dtype: of activations. The embedding is `int8` where the others are `int4`: it makes the logits.
    """
    stand_ins = (
        (nn.Linear, PackedLinear),
        (ExpertLinear, PackedExpertLinear),
        (Embedding, PackedEmbedding),
    )
    for path, module in list(model.named_modules()):
        for plain, stand_in in stand_ins:
            if isinstance(module, plain):
                shape = tuple(module.get_parameter("weight").shape)
                own = "int8" if plain is Embedding and form == "int4" else form
                model.set_submodule(path, stand_in(own, shape, dtype, torch.device("meta")))


class _Filler:
    """Gives the modules of a model on `meta` their weights."""

    def __init__(
        self, model: DiffusionGemma, shards: Shards, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.model, self.shards, self.device, self.dtype = model, shards, device, dtype
        self.names = stored_names(model.config)

    def check(self) -> None:
        """EngineError unless the stored tensors are exactly what the model needs."""
        problems = []
        unexpected = {name for name in self.shards.files if not name.startswith(PASSED_OVER)}
        for name, parameter in self.model.named_parameters():
            parts = self.names[name]
            unexpected.difference_update(parts)
            missing = [part for part in parts if part not in self.shards.files]
            problems += [f"missing {part}" for part in missing]
            if missing:
                continue
            shapes = [self.shards.shape(part) for part in parts]
            rows, rest = sum(shape[0] for shape in shapes), {shape[1:] for shape in shapes}
            if rest != {tuple(parameter.shape[1:])} or rows != parameter.shape[0]:
                found = " and ".join(str(list(shape)) for shape in shapes)
                which = " and ".join(parts)
                problems.append(f"{which} is {found}, not {list(parameter.shape)}")
        problems += [f"unexpected {name}" for name in sorted(unexpected)]
        if problems:
            raise self.shards.misfit(problems)

    def fill(self, path: str) -> float:
        """Fill one module. Returns how far its packed numbers are from the stored ones: root mean
        square of the difference to that of the numbers."""
        difference = size = 0.0
        for inner, module in self.model.get_submodule(path).named_modules():
            here = f"{path}.{inner}" if inner else path
            if isinstance(module, Packed):
                module.to_empty(device=self.device)
                for where, piece in self._pieces(f"{here}.weight"):
                    difference += float((module.put(where, piece) - piece).square().sum())
                    size += float(piece.float().square().sum())
            for name, parameter in list(module.named_parameters(recurse=False)):
                target = torch.empty(parameter.shape, device=self.device, dtype=self.dtype)
                for where, piece in self._pieces(f"{here}.{name}"):
                    target[where] = piece.to(self.dtype)
                setattr(module, name, nn.Parameter(target, requires_grad=False))
        return (difference / size) ** 0.5 if size else 0.0

    def _pieces(self, name: str) -> Iterator[tuple[int | slice, Tensor]]:
        """What stands where in one parameter, on the device, in the type it is stored in."""
        begin = 0
        for stored in self.names[name]:
            shape = self.shards.shape(stored)
            if len(shape) == 3:  # one expert after another
                for expert in range(shape[0]):
                    yield begin + expert, self.shards.read(stored, expert).to(self.device)
            else:
                for start in range(0, shape[0], ROWS_AT_ONCE):
                    part = slice(start, min(start + ROWS_AT_ONCE, shape[0]))
                    piece = self.shards.read(stored, part).to(self.device)
                    yield slice(begin + part.start, begin + part.stop), piece
            begin += shape[0]
