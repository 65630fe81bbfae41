"""What was compiled ahead is what is launched later, found in the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, os, sys
from pathlib import Path
import torch
from triton.runtime import driver
from triton.runtime.jit import JITFunction
from engine.bench.compile_ahead import NoCard, compile_for, variants
from engine.bench.launches import META, noted
from engine.models.forms import Matrix, pack
from engine.models.kernels import acceptance, norms, products, resources

CARD = (132, 232_448)

def launch(device):
    rows = torch.randn(48, 64, device=device).bfloat16()
    weights = (torch.randn(64, device=device).bfloat16(),) * 3
    norms.add_attended(rows, rows, weights, 1e-6)
    weight = pack("fp8", torch.randn(96, 64))
    held = Matrix("fp8", **{name: part.to(device) for name, part in weight.items()})
    for count in (48, 33, 1):
        products.product(rows[:count], held)
    entropy = torch.rand(2, 32, device=device)
    ids = torch.zeros(2, 32, dtype=torch.int64, device=device)
    acceptance.accept(entropy, ids, ids, 0.1)

def kept():
    return {path.name for path in Path(os.environ["TRITON_CACHE_DIR"]).iterdir()}

if __name__ == "__main__":
    with noted(*CARD) as found:
        launch(META)
    made = compile_for(90, found)
    ahead = kept()
    run = JITFunction.run
    JITFunction.run = lambda kernel, *given, grid, warmup, **how: run(
        kernel, *given, grid=grid, warmup=True, **how)
    driver.set_active(NoCard(90))
    resources.of = lambda device: CARD
    launch(torch.device("cpu"))
    print(json.dumps([len(found), len(variants(found)), len(made),
                      [each.error for each in made if each.error], len(ahead), len(kept() - ahead)]))
"""


@pytest.mark.slow
def test_nothing_is_compiled_twice(tmp_path: Path) -> None:
    """Tensors with numbers, which a card would have, need no other variants than those without."""
    pytest.importorskip("triton", reason="Triton cannot be installed here")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {
        "TRITON_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    launches, variants, made, errors, ahead, more = json.loads(done.stdout.splitlines()[-1])
    assert (launches, variants, made, errors) == (5, variants, variants, [])
    assert variants < launches
    assert ahead >= variants
    assert more == 0
