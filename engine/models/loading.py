"""Which model, on which device, in which form."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from engine.config import AUTO, CANVAS_LIMIT, EngineConfig, Quantization
from engine.diagnosis import why_no_cuda
from engine.models.base import DenoisingModel
from engine.models.block_llama import BlockLlama
from engine.models.catalog import known_models
from engine.models.choice import load_chosen
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.forms import BITS, Form
from engine.models.gemma_config import MODEL_TYPE, read_gemma_config
from engine.models.gemma_prompt import with_template
from engine.models.gemma_weights import load_diffusion_gemma
from engine.models.int4 import native_block
from engine.models.kept import keep, kept_folder, load_kept
from engine.models.pace import Pace, one_thread, try_cpu
from engine.models.weights import Linears, is_stored_in_int4, load_block_llama
from engine.request import EngineError, EngineInfo
from engine.tokenizer import Tokenizer

Progress = Callable[[float, str], None]

TOO_LARGE = (
    "The model does not fit into the memory of {device}. End other programs that use the GPU, or set "
    "the device to cpu."
)
MEMORY_SHARE = 0.85
"""Of the free memory, what weights may take; the rest is for prompts and what a step computes."""


def load_model(
    config: EngineConfig, progress: Progress | None = None
) -> tuple[DenoisingModel, Tokenizer, EngineInfo]:
    """Find, check and load the model that `config` names; EngineError says what is wrong.

    progress: called with the share done, 0 to 1, and a text.
    """
    device = find_device(config.device)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.model == AUTO:
        return load_chosen(device, lambda name: _load(name, device, config, progress))
    return _load(config.model, device, config, progress)


def _load(
    name: str, device: torch.device, config: EngineConfig, progress: Progress | None
) -> tuple[DenoisingModel, Tokenizer, EngineInfo]:
    start = time.perf_counter()
    folder = find_folder(name)
    tokenizer = Tokenizer(folder / "tokenizer.json")
    load = _diffusion_gemma if is_diffusion_gemma(folder) else _block_llama
    try:
        model, form = load(folder, device, config, tokenizer, progress)
    except torch.OutOfMemoryError as error:
        raise EngineError(TOO_LARGE.format(device=device)) from error
    if tokenizer.vocab_size > model.spec.vocab_size:
        raise EngineError(
            f"The tokenizer in {folder} has {tokenizer.vocab_size} tokens, the model only "
            f"{model.spec.vocab_size}: they do not belong together. Download the model again."
        )
    tensors = {tensor.data_ptr(): tensor for tensor in model.state_dict().values()}.values()
    info = EngineInfo(
        model=model.spec.name,
        device=str(device),
        dtype=form,
        order=model.spec.order,
        sees_after=model.spec.sees_after,
        ends_itself=model.spec.ends_itself,
        weighs=model.spec.order == "left_to_right",
        licence=model.spec.licence,
        parameters=model.config.parameters,
        weights_bytes=sum(tensor.nbytes for tensor in tensors),
        context_tokens=model.spec.context_length,
        canvas_tokens=CANVAS_LIMIT,
        load_seconds=time.perf_counter() - start,
    )
    return model, tokenizer, info


def _block_llama(
    folder: Path, device: torch.device, config: EngineConfig, _: Tokenizer,
    progress: Progress | None,
) -> tuple[BlockLlama, str]:  # fmt: skip
    """The model, and the name of the form its weights have."""
    if config.quantization == "fp8":
        raise EngineError("fp8 is for DiffusionGemma only. Set the quantization to auto or none.")
    linears: Linears = "float"
    if device.type == "cpu":
        pace = try_cpu()
        linears = linears_for(folder, config.quantization, pace)
        dtype = {"int4": torch.bfloat16, "int8": torch.float32, "float": pace.linears}[linears]
        cache_dtype = pace.attention
    elif config.quantization in ("int4", "int8"):
        raise EngineError(
            f"{config.quantization} is for the CPU only with this model. Set the quantization to auto "
            "or none."
        )
    else:
        dtype = cache_dtype = torch.bfloat16
    with one_thread():  # there is more to read than to compute
        model = load_block_llama(folder, device, dtype, linears, cache_dtype, progress)
    return model, str(dtype).removeprefix("torch.") if linears == "float" else linears


def linears_for(folder: Path, wanted: Quantization, pace: Pace) -> Linears:
    """What the matrices of the model in `folder` become on this CPU."""
    packed = is_stored_in_int4(folder)
    if wanted == "int4" and not packed:
        raise EngineError(
            f"The weights in {folder} are not stored in 4 bits. Set the quantization to auto or none."
        )
    if wanted == "int4" and native_block() is None:
        raise EngineError(
            "This processor, or this torch, has no product of 4-bit matrices. Set the quantization to "
            "auto."
        )
    if wanted == "auto" and packed and native_block() is not None:
        return "int4"
    if wanted in ("int4", "int8"):
        return "int4" if wanted == "int4" else "int8"
    return "int8" if wanted == "auto" and (pace.int8 or packed) else "float"


def _diffusion_gemma(
    folder: Path, device: torch.device, config: EngineConfig, tokenizer: Tokenizer,
    progress: Progress | None,
) -> tuple[DiffusionGemma, str]:  # fmt: skip
    """The same."""
    shape = read_gemma_config(folder)
    shape = replace(shape, spec=with_template(shape.spec, tokenizer))
    dtype = try_cpu().linears if device.type == "cpu" else torch.bfloat16
    form: Form | None
    if config.quantization == "auto":
        form = form_that_fits(shape.parameters, dtype, free_memory(device))
    else:
        form = None if config.quantization == "none" else config.quantization
    if form is None:
        model = load_diffusion_gemma(folder, shape, device, dtype, None, progress)
        return model, str(dtype).removeprefix("torch.")
    place = kept_folder(folder, form, dtype)
    kept = load_kept(place, shape, form, device, dtype, progress)
    if kept is not None:
        return kept, form
    model = load_diffusion_gemma(folder, shape, device, dtype, form, progress)
    if progress is not None:
        progress(1.0, "keeping the packed weights for the next start")
    keep(model, place)
    return model, form


def is_diffusion_gemma(folder: Path) -> bool:
    """Whether `config.json` is transformers' for that model; what else it may be, or whether it can
    be read at all, is for the others to say."""
    try:
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(fields, dict) and fields.get("model_type") == MODEL_TYPE


def form_that_fits(parameters: int, dtype: torch.dtype, free: int) -> Form | None:
    """The form with most bits in which so many numbers fit `free` bytes; None: not packed at all.

    The smallest where none fits: to be refused memory says more than to be refused by a guess.
    """
    room = free * MEMORY_SHARE * 8
    if parameters * dtype.itemsize * 8 <= room:
        return None
    return "fp8" if parameters * BITS["fp8"] <= room else "int4"


def free_memory(device: torch.device) -> int:
    """Bytes."""
    if device.type == "cpu":
        return int(psutil.virtual_memory().available)
    return int(torch.cuda.mem_get_info(device)[0])


def find_folder(name: str) -> Path:
    """The folder of a known model, or `name` itself where it is a folder with a `config.json`."""
    known = {model.name: model for model in known_models()}
    if name in known:
        if not known[name].available and known[name].download_bytes:
            raise EngineError(
                f"{known[name].title} is not on this machine. Fetch it with `infill-lsp models get "
                f"{name}`, or use the bundled model."
            )
        return known[name].path
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return folder
    raise EngineError(
        f"Unknown model {name!r}. Known are {', '.join(known)}; a folder with a config.json and "
        "safetensors files is taken too."
    )


def find_device(name: str) -> torch.device:
    """`auto`: the first CUDA device where there is one, else the CPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise EngineError(f"Unknown device {name!r}. Use auto, cpu, cuda or cuda:N.") from error
    if device.type not in ("cpu", "cuda"):
        raise EngineError(f"Device {name!r} is not supported. Use auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and not torch.cuda.is_available():
        why, cure = why_no_cuda()
        raise EngineError(
            f"Device {name!r} cannot be used: {why}. {cure}, or set the device to auto or cpu."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        are = "is" if count == 1 else "are"
        raise EngineError(f"Device {name!r} does not exist: there {are} {count}. Use auto or cuda.")
    return device
