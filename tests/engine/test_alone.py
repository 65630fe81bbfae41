"""The engine's own commands run where nothing of the editor's side is installed: on a rented card, say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import runpy, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        if first.startswith("tree_sitter") or first in {
            "aiohttp", "cattrs", "datasketch", "detect_secrets", "infill_lsp", "lsprotocol",
            "matplotlib", "pathspec", "platformdirs", "pygls", "watchfiles",
        }:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
module = sys.argv[1]
sys.argv = sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_bench(tmp_path: Path) -> None:
    done = run(
        "engine.bench", "--shape", "tiny", "--short", "--device", "cpu", "--repeats", "1",
        "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ": rest of a line" in done.stdout
    assert "no picture" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_training(tmp_path: Path, corpus: Path) -> None:
    recipe = ("rows=1", "row_tokens=128", "shortest_window=32", "longest_window=64")
    changes = [word for change in recipe for word in ("--set", change)]
    done = run(
        "engine.train", str(corpus), str(tmp_path), "--steps", "1", "--device", "cpu", *changes
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "config.json").is_file()


def test_training_says_what_is_missing(tmp_path: Path) -> None:
    done = run("engine.train", str(tmp_path), str(tmp_path / "out"), "--steps", "1")
    assert done.returncode == 3
    assert "no train-" in done.stderr
    done = run("engine.train", str(tmp_path), str(tmp_path / "out"))
    assert done.returncode == 3
    assert "--minutes N, or --steps N" in done.stderr
