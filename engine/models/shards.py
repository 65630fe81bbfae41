"""The safetensors files of one folder, mapped and not yet read. Nothing is unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.request import EngineError

CURE = "Reinstall the program, or download the model again."


class Shards:
    """The tensors of all files, by name. EngineError where a file is damaged or there is none."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """stack: closes the files."""
        self.folder = folder
        self.files: dict[str, Any] = {}
        paths = sorted(folder.glob("*.safetensors"))
        if not paths:
            raise EngineError(f"There are no weights (*.safetensors) in {folder}. {CURE}")
        for path in paths:
            try:
                file = stack.enter_context(safe_open(path, framework="pt"))
            except (SafetensorError, OSError) as error:
                raise EngineError(f"{path} is damaged ({error}). {CURE}") from error
            for name in file.keys():  # noqa: SIM118 - not a mapping
                self.files[name] = file

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.files[name].get_slice(name).get_shape())

    def read(self, name: str, part: int | slice | None = None) -> Tensor:
        """A tensor, or of its first dimension only `part`."""
        tensor: Tensor
        if part is None:
            tensor = self.files[name].get_tensor(name)
        else:
            tensor = self.files[name].get_slice(name)[part]
        # A tensor that still pointed into the mapping would keep all of the file in memory.
        return tensor.clone()

    def misfit(self, problems: Sequence[str]) -> EngineError:
        """What to raise when the tensors are not those that the model needs."""
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        return EngineError(
            f"The weights in {self.folder} do not fit: {', '.join(problems[:5])}{more}. {CURE}"
        )
