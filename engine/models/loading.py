"""Which model, on which device, in which form."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from engine.config import CANVAS_LIMIT, EngineConfig
from engine.models.base import DenoisingModel
from engine.models.catalog import known_models
from engine.models.pace import try_cpu
from engine.models.weights import load_block_llama
from engine.request import EngineError, EngineInfo
from engine.tokenizer import Tokenizer


def load_model(
    config: EngineConfig, progress: Callable[[float, str], None] | None = None
) -> tuple[DenoisingModel, Tokenizer, EngineInfo]:
    """Find, check and load the model that `config` names; EngineError says what is wrong.

    progress: called with the share done, 0 to 1, and a text.
    """
    start = time.perf_counter()
    folder = find_folder(config.model)
    device = find_device(config.device)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if device.type == "cpu":
        pace = try_cpu()
        int8 = config.quantization == "int8" or (config.quantization == "auto" and pace.int8)
        dtype = torch.float32 if int8 else pace.linears
        cache_dtype = pace.attention
    elif config.quantization == "int8":
        raise EngineError("int8 is for the CPU only. Set the quantization to auto or none.")
    else:
        int8 = False
        dtype = cache_dtype = torch.bfloat16
    tokenizer = Tokenizer(folder / "tokenizer.json")
    try:
        model = load_block_llama(folder, device, dtype, int8, cache_dtype, progress)
    except torch.OutOfMemoryError as error:
        raise EngineError(
            f"The model does not fit into the memory of {device}. Set the device to cpu, or end "
            "other programs that use the GPU."
        ) from error
    if tokenizer.vocab_size > model.spec.vocab_size:
        raise EngineError(
            f"The tokenizer in {folder} has {tokenizer.vocab_size} tokens, the model only "
            f"{model.spec.vocab_size}: they do not belong together. Download the model again."
        )
    tensors = {tensor.data_ptr(): tensor for tensor in model.state_dict().values()}.values()
    info = EngineInfo(
        model=model.spec.name,
        device=str(device),
        dtype="int8" if int8 else str(dtype).removeprefix("torch."),
        order=model.spec.order,
        licence=model.spec.licence,
        parameters=model.config.parameters,
        weights_bytes=sum(tensor.nbytes for tensor in tensors),
        context_tokens=model.spec.context_length,
        canvas_tokens=CANVAS_LIMIT,
        load_seconds=time.perf_counter() - start,
    )
    return model, tokenizer, info


def find_folder(name: str) -> Path:
    """The folder of a known model, or `name` itself where it is a folder with a `config.json`."""
    known = {model.name: model for model in known_models()}
    if name in known:
        path = known[name].path
        if path is None:
            raise EngineError(
                f"{known[name].title} cannot be loaded by this version yet. Use the bundled model."
            )
        return path
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
        why = (
            "this torch was built without CUDA" if torch.version.cuda is None else "no GPU answers"
        )
        raise EngineError(f"Device {name!r} cannot be used: {why}. Set the device to auto or cpu.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        are = "is" if count == 1 else "are"
        raise EngineError(f"Device {name!r} does not exist: there {are} {count}. Use auto or cuda.")
    return device
