"""The safetensors files of one folder, mapped one at a time. Nothing is unpickled."""

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
    """The tensors of all files, by name. EngineError where a file is damaged or there is none.

    One file is mapped at a time: what was read of the others would count as memory until the end.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """stack: closes the file that is mapped."""
        self.folder = folder
        self.files: dict[str, Path] = {}
        """The file that holds each tensor."""
        self._mapped = stack.enter_context(ExitStack())
        self._path: Path | None = None
        self._file: Any = None
        paths = sorted(folder.glob("*.safetensors"))
        if not paths:
            raise EngineError(f"There are no weights (*.safetensors) in {folder}. {CURE}")
        for path in paths:
            self.files |= dict.fromkeys(self._map(path).keys(), path)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._map(self.files[name]).get_slice(name).get_shape())

    def read(self, name: str, part: int | slice | None = None) -> Tensor:
        """A tensor, or of its first dimension only `part`."""
        file = self._map(self.files[name])
        tensor: Tensor
        tensor = file.get_tensor(name) if part is None else file.get_slice(name)[part]
        # A tensor that still pointed into the mapping would keep all of the file in memory.
        return tensor.clone()

    def _map(self, path: Path) -> Any:
        """`path`, mapped in the place of the file before."""
        if path != self._path:
            self._mapped.close()
            self._path = self._file = None
            try:
                self._file = self._mapped.enter_context(safe_open(path, framework="pt"))
            except (SafetensorError, OSError) as error:
                raise EngineError(f"{path} is damaged ({error}). {CURE}") from error
            self._path = path
        return self._file

    def misfit(self, problems: Sequence[str]) -> EngineError:
        """What to raise when the tensors are not those that the model needs."""
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        return EngineError(
            f"The weights in {self.folder} do not fit: {', '.join(problems[:5])}{more}. {CURE}"
        )
