"""What a device has that the size of a kernel's tiles depends on."""

from __future__ import annotations

import functools

import torch

ROOMY = 200_000
"""Bytes of shared memory that the larger tiles need: data centre cards have them, others 99 KB."""


@functools.cache
def of(device: torch.device) -> tuple[int, int]:
    """Multiprocessors, and bytes of shared memory that one program may take."""
    if device.type != "cuda":  # the interpreter
        return 1, ROOMY
    properties = torch.cuda.get_device_properties(device)
    most = properties.shared_memory_per_block_optin  # type: ignore[attr-defined]
    return properties.multi_processor_count, most
