"""How many launches torch makes, found out without a device: tensors may be on meta."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

FREE = {
    "__get__", "__len__", "chunk", "contiguous", "empty", "empty_like", "flatten", "new_empty", "reshape",
    "size", "view",
}  # fmt: skip
"""Calls that launch nothing, as tensors are contiguous here."""


class TorchLaunches(TorchFunctionMode):
    """Counts them within it. What Triton launches is not seen: put it into `made` beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.made: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        view = func is torch.Tensor.__getitem__ and _only_cuts(args[1])
        if func.__name__ not in FREE and not view:
            self.made[func.__name__] += 1
        return func(*args, **(kwargs or {}))


def _only_cuts(index: Any) -> bool:
    """Whether an index makes a view."""
    return all(
        isinstance(each, int | slice) for each in (index if type(index) is tuple else [index])
    )
