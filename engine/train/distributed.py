"""Several processes that train one model, as `torchrun` starts them: FSDP2 keeps a part of the weights,
gradients and sums in each. One process alone needs none of this and gets functions that do nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of how many processes this is."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """Of a number that each process has."""
        if self.count == 1:
            return value
        value = value.detach().clone()
        dist.all_reduce(value)
        return value / self.count

    def shard(self, module: nn.Module) -> None:
        """Keep only this process's part of each parameter, outside of `module`'s own forward."""
        if self.count > 1:
            fully_shard(module)

    def meet(self) -> None:
        """Go on when all have come here: before reading what the first one writes."""
        if self.count > 1:
            dist.barrier()

    def agree(self, value: float) -> float:
        """The first process's `value`, everywhere: clocks differ."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=_device())
        dist.broadcast(shared, 0)
        return float(shared)


ALONE = Ranks()


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may be shared out. All processes must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """`tensor`, placed and shared out as `parameter` is."""
    tensor = tensor.to(parameter.device)
    if not isinstance(parameter, DTensor) or tensor.shape != parameter.shape:
        return tensor
    return distribute_tensor(tensor, parameter.device_mesh, parameter.placements)


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """This process's place among those that `torchrun` started; one alone without it."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), count)
        dist.barrier()  # nobody leaves while another still talks to it
    finally:
        dist.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """This process's own GPU, where there are several processes."""
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
