"""What this machine can do for the engine, and how to mend what it cannot: `infill-lsp doctor`.

Imports torch only when asked, and finds fault with nothing that would work.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import psutil

from engine.config import EngineConfig

LEAST_MEMORY = 1_000_000_000
"""Bytes of free memory below which even the bundled model may not load."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    cure: str = ""
    """What to do when it is not ok."""


def diagnose(config: EngineConfig) -> list[Finding]:
    """Look at torch, the device that `config` asks for, and memory. Loads no model."""
    findings = [_torch()]
    if findings[0].ok:
        findings += [_device(config), _processor()]
    return [*findings, _memory()]


def _torch() -> Finding:
    try:
        import torch
    except Exception as error:  # a broken build raises OSError and others
        cure = "Reinstall it: pip install --force-reinstall 'torch>=2.11,<2.14'"
        return Finding("torch", False, f"cannot be imported: {error}", cure)
    return Finding("torch", True, torch.__version__)


def _device(config: EngineConfig) -> Finding:
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = properties.total_memory / 1e9
        return Finding("device", True, f"CUDA: {properties.name}, {memory:.0f} GB")
    why, cure = why_no_cuda()
    if config.device.startswith("cuda"):
        cure = f"{cure}, or set the device to auto or cpu."
        return Finding("device", False, f"{config.device} was asked for, but {why}", cure)
    return Finding("device", True, f"CPU ({why})")


def why_no_cuda() -> tuple[str, str]:
    """Where torch sees no CUDA device: the reason, and what would mend it."""
    import torch

    if torch.version.cuda is None:
        return "this torch was built without CUDA", "Install a CUDA build of torch"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        if "too old" in str(error):
            return (
                f"the NVIDIA driver is too old for this torch, which needs CUDA {torch.version.cuda}",
                "Update the driver, or install a torch for an older CUDA",
            )
        if "no NVIDIA driver" in str(error):
            return "there is no NVIDIA driver", "Install one, if there is a GPU"
    return "no GPU answers", "See whether `nvidia-smi` finds one"


def _processor() -> Finding:
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    detail = f"{platform.machine()}, {capability}, {torch.get_num_threads()} threads"
    return Finding("processor", True, f"{detail} of {os.cpu_count()} cores")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    detail = f"{memory.available / 1e9:.1f} GB free of {memory.total / 1e9:.1f} GB"
    cure = "Close other programs, or set a smaller model."
    return Finding("memory", memory.available >= LEAST_MEMORY, detail, cure)
