"""Ghost text in a real Neovim 0.12, with its own LSP client and nothing else."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sessions import SERVER

INFILL_LSP = [str(Path(sys.executable).parent / "infill-lsp"), "--standalone"]

pytestmark = [pytest.mark.editor, pytest.mark.timeout(300)]


def test_ghost_text_typed_through_and_accepted(start: Any, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    script = {"answer": "total = a + b\n    return total", "journal": str(journal)}
    neovim = start([*SERVER, "--stdio"], {"infill": {"model": json.dumps(script)}})
    neovim.wait(lambda report: report["attached"])
    neovim.wait(lambda report: report["status"] and report["status"]["message"] == "fake on cpu")

    neovim.keys("jA")
    report = neovim.wait(lambda report: report["ghost"])
    assert report["mode"] == "i"
    assert report["ghost"] == "total = a + b\n    return total"
    answered = report["answered"]

    neovim.keys("tot")
    report = neovim.wait(lambda report: report["answered"] > answered)
    assert report["ghost"] == "al = a + b\n    return total"
    assert sum('"request"' in line for line in journal.read_text().splitlines()) == 1

    neovim.keys("<Tab>")
    report = neovim.wait(lambda report: "    return total" in report["lines"])
    assert report["lines"][:3] == ["def add(a, b):", "    total = a + b", "    return total"]

    neovim.quit()


def test_fast_typing_leaves_no_stale_text_and_no_error(start: Any) -> None:
    """Neovim sends each request without cancelling the one before; the server does."""
    script = {"answer": "a + b", "steps": 10, "step_seconds": 0.05}
    neovim = start([*SERVER, "--stdio"], {"infill": {"model": json.dumps(script)}})
    neovim.wait(lambda report: report["status"] and report["status"]["message"] == "fake on cpu")
    neovim.keys("jA")
    for letter in "result = ":
        neovim.keys(letter)
        time.sleep(0.25)  # longer than Neovim's own debounce, shorter than the engine
    report = neovim.wait(lambda report: report["ghost"])
    assert report["ghost"] == "a + b"
    neovim.quit()


def test_what_is_typed_while_the_model_loads_is_answered_when_it_has(start: Any) -> None:
    """Nobody asks again here: the server holds its answer back."""
    script = {"answer": "otal = a + b", "load_seconds": 3}
    neovim = start([*SERVER, "--stdio"], {"infill": {"model": json.dumps(script)}})
    neovim.wait(lambda report: report["attached"])
    neovim.keys("jAt")
    neovim.wait(lambda report: report["ghost"] == "otal = a + b")
    neovim.quit()


def test_with_the_bundled_model(start: Any) -> None:
    neovim = start(INFILL_LSP, {"infill": {"deadlineMs": 20_000}})
    ready = neovim.wait(lambda report: report["status"] and not report["status"]["busy"], 60)
    assert ready["status"]["kind"] == "Normal", ready["status"]
    neovim.keys("jAreturn ")
    shown = neovim.wait(lambda report: report["ghost"], 60)["ghost"]
    neovim.keys("<Tab>")
    first = shown.split("\n")[0]
    report = neovim.wait(lambda report: report["lines"][1] == f"    return {first}")
    assert report["ghost"] != shown
