"""The plugin `editors/nvim` in real Neovims: 0.12's own ghost text, and the plugin's on older ones."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from neovim import Neovim, started, status
from sessions import SERVER

from infill_lsp import usage

ANSWER = "total = a + b\n    return total"

pytestmark = [
    pytest.mark.editor,
    pytest.mark.timeout(300),
    pytest.mark.parametrize("version", ["0.10", "0.11", "0.12"]),
]


def shows(neovim: Neovim, line: str, ghost: str) -> None:
    """Wait until the second line and the grey text are these."""
    neovim.wait(lambda report: (report["lines"][1], report["ghost"]) == (line, ghost))


def requests(journal: Path) -> int:
    return sum('"request"' in line for line in journal.read_text().splitlines())


def accepted(neovim: Neovim) -> int:
    """How many suggestions the server knows to be accepted."""
    ask = "vim.lsp.get_clients({name = 'infill'})[1]"
    call = f"vim.lsp.buf_request_sync(0, 'workspace/executeCommand', {{command = 'infill.status'}})[{ask}.id]"
    return int(neovim.lua(f"{call}.result.accepted"))


def test_ghost_text_is_typed_through_and_accepted(start: Any, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    neovim = started(start, journal=str(journal))
    assert neovim.wait(lambda report: report["ghost"])["ghost"] == ANSWER
    neovim.keys("tot")
    neovim.wait(lambda report: report["ghost"] == ANSWER.removeprefix("tot"))
    assert requests(journal) == 1
    neovim.keys("<Tab>")
    report = neovim.wait(lambda report: "    return total" in report["lines"])
    assert report["lines"][:3] == ["def add(a, b):", "    total = a + b", "    return total"]
    assert accepted(neovim) == 1
    neovim.keys("!")  # the cursor is after what was accepted
    neovim.wait(lambda report: report["lines"][2] == "    return total!")
    neovim.quit()


@pytest.mark.parametrize("seconds", [3, 10])
def test_what_is_typed_before_the_model_is_loaded(
    start: Any, tmp_path: Path, seconds: float
) -> None:
    """Also where it takes longer than the server waits, and typing begins before the server is there."""
    journal = tmp_path / "journal"
    script = {"answer": "otal = a + b", "load_seconds": seconds, "journal": str(journal)}
    neovim = start([*SERVER, "--stdio"], {"model": json.dumps(script)}, plugin=True)
    neovim.keys("jAt")
    shows(neovim, "    t", "otal = a + b")
    assert requests(journal) == 1
    neovim.quit()


def counted(folder: Path) -> tuple[int, int, int]:
    """What the server has counted: accepted, in part, characters saved."""
    (day,) = usage.read(folder / "infill-lsp" / "usage.sqlite3")
    return day.accepted, day.partial, day.characters


def test_words_and_lines_are_accepted_one_by_one(start: Any, tmp_path: Path) -> None:
    neovim = started(start)
    neovim.wait(lambda report: report["ghost"] == ANSWER)
    for written in ("total", "total =", "total = a", "total = a +"):
        neovim.keys("<M-w>")
        shows(neovim, "    " + written, ANSWER.removeprefix(written))
    neovim.keys("<M-l>")
    shows(neovim, "    total = a + b", "\n    return total")
    assert accepted(neovim) == 0
    neovim.wait(lambda _: counted(tmp_path) == (0, 1, len("total = a + b")))
    neovim.keys("<M-l>")
    report = neovim.wait(lambda report: report["lines"][2] == "    return total")
    neovim.wait(lambda _: counted(tmp_path) == (1, 0, len(ANSWER)))
    assert report["lines"][:2] == ["def add(a, b):", "    total = a + b"]
    assert accepted(neovim) == 1
    neovim.quit()


def test_columns_are_right_after_letters_of_several_bytes(start: Any) -> None:
    neovim = started(start, "total")
    neovim.keys("x = 'ü🙂' + ")
    shows(neovim, "    x = 'ü🙂' + ", "total")
    neovim.keys("<Tab>")
    neovim.wait(lambda report: report["lines"][1] == "    x = 'ü🙂' + total")
    neovim.quit()


def test_asking_gives_several_to_choose_from(start: Any) -> None:
    neovim = started(start, ["one()", "two()", "three()"], automatic=False)
    time.sleep(0.5)
    assert neovim.report()["ghost"] == ""
    assert status(neovim) == "infill: only when asked for (infill.automatic)"
    neovim.keys("<M-i>")
    neovim.wait(lambda report: report["ghost"].startswith("one()"))
    neovim.keys("<M-n>")
    neovim.wait(lambda report: report["ghost"] == "two() (2/3)")
    neovim.keys("<M-p><M-p>")
    neovim.wait(lambda report: report["ghost"] == "three() (3/3)")
    neovim.keys("<Tab>")
    neovim.wait(lambda report: report["lines"][1] == "    three()")
    neovim.quit()


def test_a_key_without_a_suggestion_does_what_it_did(start: Any) -> None:
    neovim = started(start, enabled=False)
    neovim.keys("x<Tab>y")
    report = neovim.wait(lambda report: report["lines"][1].endswith("y"))
    assert report["lines"][1] == "    x   y"
    neovim.quit()


def test_what_no_longer_fits_is_not_inserted(start: Any) -> None:
    neovim = started(start, "total")
    neovim.wait(lambda report: report["ghost"] == "total")
    neovim.keys("tx<Tab>")  # in one go, so that nothing new is shown before the key
    neovim.wait(lambda report: "tx" in report["lines"][1])
    time.sleep(0.5)
    assert neovim.report()["lines"][1].rstrip() == "    tx"
    neovim.quit()


def test_ten_keys_a_second_go_undisturbed(start: Any) -> None:
    """The engine is slower than the keys; in the end there is what was typed, and what fits it."""
    neovim = started(start, "a + b", steps=8, step_seconds=0.05)
    typed = "result = compute(first, second) or "
    for letter in typed:
        neovim.keys(letter)
        time.sleep(0.07)
    shows(neovim, "    " + typed, "a + b")
    neovim.quit()


def test_snooze(start: Any) -> None:
    neovim = started(start)
    neovim.wait(lambda report: report["ghost"])
    neovim.keys("<Esc>:InfillSnooze 5<CR>")
    neovim.wait(lambda _: status(neovim) == "infill: snoozed for 5 minutes")
    neovim.keys("A")
    neovim.wait(lambda _: status(neovim) == "infill: snoozed for 5 more minutes")
    assert neovim.report()["ghost"] == ""
    neovim.keys("<Esc>:InfillSnooze 0<CR>A")
    neovim.wait(lambda report: report["ghost"] == ANSWER)
    neovim.quit()


def test_checkhealth_and_help(start: Any) -> None:
    neovim = started(start)
    neovim.keys("<Esc>:checkhealth infill<CR>")
    lines = neovim.wait(lambda report: any("fake on cpu" in line for line in report["lines"]))[
        "lines"
    ]
    assert not [line for line in lines if "ERROR" in line or "WARNING" in line]
    neovim.keys(":helptags $INFILL_PLUGIN/doc | help infill<CR>")
    neovim.wait(lambda report: any("*infill*" in line for line in report["lines"]))
    neovim.quit()


def test_a_better_model_is_offered_once_and_fetched_when_asked_for(start: Any) -> None:
    def messages() -> str:
        return str(neovim.lua("vim.fn.execute('messages')"))

    neovim = started(start, offer="qwen2.5-coder-1.5b")
    offer = ":InfillGetModel fetches a better model (1.1 GB, Apache-2.0)"
    neovim.wait(lambda _: offer in messages())
    neovim.keys("<Esc>:InfillGetModel<CR>")
    neovim.wait(lambda _: "Qwen2.5-Coder-1.5B-Instruct is here" in messages())
    neovim.quit()
    neovim = started(start, offer="qwen2.5-coder-1.5b")
    neovim.keys("<Esc>:InfillGetModel<CR>")
    neovim.wait(lambda _: "Qwen2.5-Coder-1.5B-Instruct is here" in messages())
    assert offer not in messages()
    neovim.quit()
