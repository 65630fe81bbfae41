"""Second moments of what a model's matrices are multiplied with, over a sample of texts: what
`int4_fit.quantize` needs to keep products as they are.

    python -m engine.models.moments NAME FILE.gguf TEXTS OUT.safetensors

TEXTS is a folder; of each file in it the first tokens are read. For the 0.5B 10,000 tokens take some
minutes on two cores, and OUT takes 2.5 GB.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.models.block_llama import BlockLlama
from engine.tokenizer import Tokenizer

TOKENS_OF_A_TEXT = 512


def read_moments(path: Path) -> Mapping[str, Tensor]:
    """By the name of the matrix, float32 [K, K]."""
    return load_file(path)


@torch.inference_mode()
def moments_of(model: BlockLlama, texts: Iterable[list[int]]) -> dict[str, Tensor]:
    """The sum of x x' over all rows x that each linear of `model` is given while it reads `texts`."""
    sums: dict[str, Tensor] = {}

    def watch(name: str, linear: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def add(_: nn.Module, given: tuple[Tensor, ...], __: Tensor) -> None:
            rows = given[0].float()
            product = rows.t() @ rows
            sums[name] = sums[name].add_(product) if name in sums else product

        return linear.register_forward_hook(add)

    linears = {name: each for name, each in model.named_modules() if isinstance(each, nn.Linear)}
    handles = [watch(name, linear) for name, linear in linears.items()]
    try:
        for ids in texts:
            model.encode(torch.tensor(ids[:TOKENS_OF_A_TEXT]), model.new_kv())
    finally:
        for handle in handles:
            handle.remove()
    return sums


def main(arguments: list[str]) -> None:
    if len(arguments) != 4:
        sys.exit("usage: python -m engine.models.moments NAME FILE.gguf TEXTS OUT.safetensors")
    from engine.models.catalog import BUNDLED, known_models
    from engine.models.import_qwen import dequantized

    name, file, folder, out = arguments
    (known,) = (model for model in known_models() if model.name == name)
    model = dequantized(Path(file), known, torch.bfloat16)
    tokenizer = Tokenizer(BUNDLED / "tokenizer.json")
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    texts = (tokenizer.encode(path.read_text("utf-8", "replace")) for path in files)
    save_file(moments_of(model, texts), out)


if __name__ == "__main__":
    main(sys.argv[1:])
