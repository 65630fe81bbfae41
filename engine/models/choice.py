"""`model: "auto"`: the larger model where it is here and quick enough on this machine, else the bundled one."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import torch

from engine.models.base import DenoisingModel
from engine.models.block_llama import BlockKV
from engine.models.catalog import KnownModel, known_models
from engine.models.pace import one_thread
from engine.request import EngineError, EngineInfo
from engine.tokenizer import Tokenizer

BUNDLED, LARGER = "bundled", "qwen2.5-coder-1.5b"
SLOWEST_FORWARD = 0.100
"""Seconds of one core, for a forward, with which a model is still quick enough. The rest of a usual line is
ten tokens, so at most ten forwards: one second, of the 1.5 that a suggestion may take while somebody types.
What is left is for reading what changed of the prompt, and more cores than one make both quicker."""
PROMPT = 512
"""Tokens before the position of that forward."""
TRIES = 3
MEMORY_SHARE = 0.8
"""Of the free memory, what weights may take on a CPU."""

Loaded = tuple[DenoisingModel, Tokenizer, EngineInfo]


def load_chosen(device: torch.device, load: Callable[[str], Loaded]) -> Loaded:
    """The model to use on `device`, its `EngineInfo` with the reason. Raises what `load` raises for the
    bundled one.

    load: loads a known model by its name onto that device.
    """
    known = {model.name: model for model in known_models()}
    larger = known[LARGER]
    if not larger.available:
        return _with_offer(device, load(BUNDLED), known[BUNDLED], larger)
    if lacking := _lacking_memory(device, larger):
        return _said(load(BUNDLED), f"{LARGER} does not fit: {lacking}")
    try:
        loaded = load(LARGER)
    except EngineError as error:
        model, tokenizer, info = load(BUNDLED)
        return model, tokenizer, replace(info, instead=str(error))
    if device.type != "cpu":
        return _said(loaded, "the largest that is here")
    seconds = forward_seconds(loaded[0])
    if seconds <= SLOWEST_FORWARD:
        return _said(loaded, f"{1000 * seconds:.0f} ms of a core for a forward")
    del loaded
    gc.collect()
    return _said(load(BUNDLED), f"{LARGER} is too slow here: {_pace(seconds)}")


@torch.inference_mode()
def forward_seconds(model: DenoisingModel) -> float:
    """Seconds that one core takes for a forward that adds a token to a prompt, whatever else is running: an
    editor's start is a busy time, and must not decide for all day. For models of the bundled one's kind."""
    kv = model.new_kv()
    assert isinstance(kv, BlockKV)
    kv.append(PROMPT)  # what stands there is zeros, which take as long as anything else
    canvas, turn = torch.zeros(1, 2, dtype=torch.int64), torch.tensor([[0, 1]])
    rows = torch.tensor([[1]])
    with one_thread():
        model.denoise(canvas, kv, rows, None, turn)  # what comes once
        start = time.thread_time()
        for _ in range(TRIES):
            model.denoise(canvas, kv, rows, None, turn)
        return (time.thread_time() - start) / TRIES


def _with_offer(
    device: torch.device, loaded: Loaded, own: KnownModel, larger: KnownModel
) -> Loaded:
    """The bundled model, and whether the larger one would be taken if it were here."""
    away = f"{LARGER} is not here"
    if lacking := _lacking_memory(device, larger):
        return _said(loaded, f"{away}, and would not fit: {lacking}")
    if device.type == "cpu":
        # At most: both read all their numbers in each forward; what else there is grows less.
        seconds = forward_seconds(loaded[0]) * larger.parameters / own.parameters
        if seconds > SLOWEST_FORWARD:
            return _said(loaded, f"{away}, and might be too slow: {_pace(seconds)}")
    return _said(loaded, away, offer=LARGER)


def _lacking_memory(device: torch.device, model: KnownModel) -> str:
    """Why the model does not fit; empty where it does."""
    if device.type == "cpu":
        free = MEMORY_SHARE * psutil.virtual_memory().available
    else:
        free = torch.cuda.get_device_properties(device).total_memory
    if free >= model.memory_bytes:
        return ""
    return f"it needs {model.memory_bytes / 1e9:.1f} GB of memory, and may take {free / 1e9:.1f}"


def _said(loaded: Loaded, why: str, offer: str = "") -> Loaded:
    model, tokenizer, info = loaded
    return model, tokenizer, replace(info, chosen=why, offer=offer)


def _pace(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms of a core for a forward, over {1000 * SLOWEST_FORWARD:.0f}"
