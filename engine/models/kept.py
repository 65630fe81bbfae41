"""Packed matrices, kept on disk: packing 25 billion numbers takes long, reading the result seconds.

One folder for each form of a checkpoint, under the user's cache folder; it is written whole or not at
all, and may be deleted at any time. Its name says of which files, of which size and time, and in
which form it was made, so a checkpoint that was changed finds nothing.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from engine.models.diffusion_gemma import DiffusionGemma, DiffusionGemmaConfig
from engine.models.forms import Form
from engine.models.gemma_weights import Progress, pack_matrices
from engine.models.replace_folder import replaced_folder
from engine.models.shards import Shards
from engine.request import EngineError

log = logging.getLogger(__name__)

VERSION = 1
"""Of the layout of what is kept, and of how it is packed."""
DISK_RESERVE = 10_000_000_000
"""Bytes that must be left free on the disk."""


def kept_folder(source: Path, form: Form, dtype: torch.dtype) -> Path:
    """Where the packed matrices of the checkpoint in `source` are kept, or would be."""
    import platformdirs  # only where the user's own folders are meant

    said = [str(VERSION), form, str(dtype), str(source.resolve())]
    for path in sorted([*source.glob("*.safetensors"), source / "config.json"]):
        status = path.stat()
        said.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
    key = hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]
    cache = Path(platformdirs.user_cache_dir("infill-lsp", appauthor=False))
    return cache / "packed" / f"{source.name}-{form}-{key}"


def load_kept(
    folder: Path, config: DiffusionGemmaConfig, form: Form, device: torch.device,
    dtype: torch.dtype, progress: Progress | None = None,
) -> DiffusionGemma | None:  # fmt: skip
    """The model that is kept in `folder`; None where there is none, or not all of it."""
    if not folder.is_dir():
        return None
    with torch.device("meta"):
        model = DiffusionGemma(config)
    pack_matrices(model, form, dtype)
    wanted = model.state_dict()
    plain = {name for name, _ in model.named_parameters()}
    try:
        with ExitStack() as stack:
            shards = Shards(folder, stack)
            if set(shards.files) != set(wanted):
                raise shards.misfit(sorted(set(shards.files) ^ set(wanted)))
            for done, (name, like) in enumerate(wanted.items(), 1):
                tensor = shards.read(name)
                kind = dtype if name in plain else like.dtype
                if tensor.shape != like.shape or tensor.dtype != kind:
                    raise shards.misfit([name])
                path, _, last = name.rpartition(".")
                held = tensor.to(device)
                held = nn.Parameter(held, requires_grad=False) if name in plain else held
                setattr(model.get_submodule(path), last, held)
                if progress is not None and done % 100 == 0:
                    progress(done / len(wanted), "weights, as packed the last time")
    except EngineError as error:
        log.warning("what was kept of the packed weights is of no use: %s", error)
        return None
    model.sliding_rotary.to(device)
    model.full_rotary.to(device)
    return model.eval().requires_grad_(False)


def keep(model: DiffusionGemma, folder: Path) -> None:
    """Write what `load_kept` reads, and drop what was kept of the checkpoint's earlier states.

    Not being able to is no failure: the next start packs again. The log says why.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        state = model.state_dict()
        size = sum(tensor.nbytes for tensor in state.values())
        free = shutil.disk_usage(folder.parent).free
        if free < size + DISK_RESERVE:
            log.warning("the packed weights are not kept: %.0f GB are free", free / 1e9)
            return
        with replaced_folder(folder, ("*.safetensors",)) as new:
            for part in sorted({_part(name) for name in state}):
                own = {name: each for name, each in state.items() if _part(name) == part}
                save_file(
                    {name: each.cpu() for name, each in own.items()}, new / f"{part}.safetensors"
                )
        stem = folder.name.rpartition("-")[0]
        for other in folder.parent.glob(f"{stem}-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    except (EngineError, OSError) as error:
        log.warning("the packed weights are not kept: %s", error)


def _part(name: str) -> str:
    """The file that a tensor is in: one for each layer, and one for all else."""
    first, second, *_ = name.split(".")
    return f"layer-{int(second):03}" if first == "layers" else "rest"
