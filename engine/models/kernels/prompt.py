"""What attention reads of a prompt, in a shape that does not change from prompt to prompt."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(slots=True)
class Held:
    """One prompt's keys and values, and how much of them and of the canvas is real.

    A captured graph reads `addresses` and `counts` anew each time it is replayed, so the same graph
    serves every prompt, wherever its buffers are and however long it is.
    """

    buffers: list[Tensor]
    """For each layer [2, capacity, kv_heads, head_dim]: keys, then values."""
    addresses: Tensor
    """int64 [layers, 2] on the device: where each buffer's keys and values begin."""
    counts: Tensor
    """int32 [2] on the device: tokens of the prompt, and rows of each variant that are not padding."""
