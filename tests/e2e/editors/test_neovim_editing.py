"""What the plugin `editors/nvim` changes on request, and how it stands a server that dies or is not well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from neovim import SOURCE, Neovim, started, status
from sessions import shared_servers

HOLES = "def add(a, b):\n    ...\n\n\ndef sub(a, b):\n    ...\n\n\nprint(add(1, 2))\n"
VARIANTS = ["return a + b", "total = a + b\n    return total", "return 1"]

SECOND = """vim.ui.select = function(items, how, choose)
    _G.Offered = vim.tbl_map(how.format_item, items)
    choose(items[2])
end""".replace("\n", " ")
"""A picker whose user takes the second entry. Neovim's own cannot be asked whether it is open."""

pytestmark = [
    pytest.mark.editor,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("version", ["0.10", "0.11", "0.12"]),
]


def opened(start: Any, folder: Path, **script: Any) -> Neovim:
    (folder / "a.py").write_text(HOLES)
    return started(start, VARIANTS, insert=False, **script)


def reads(neovim: Neovim, text: str) -> None:
    """Wait until this is the buffer's text."""
    neovim.wait(lambda report: "\n".join(report["lines"]) + "\n" == text)


def test_all_holes_are_filled_and_undone_in_one_step(start: Any, tmp_path: Path) -> None:
    neovim = opened(start, tmp_path)
    neovim.keys(":InfillFillHoles<CR>")
    reads(neovim, HOLES.replace("...", VARIANTS[0]))
    neovim.keys("u")
    reads(neovim, HOLES)
    neovim.keys(":5,6InfillFillHoles<CR>")
    reads(neovim, VARIANTS[0].join(HOLES.rsplit("...", 1)))
    neovim.quit()


def test_a_variant_is_chosen_for_a_selection(start: Any, tmp_path: Path) -> None:
    neovim = opened(start, tmp_path)
    neovim.keys(f":lua {SECOND}<CR>")
    neovim.keys("jwv2l:InfillVariants<CR>")
    reads(neovim, HOLES.replace("...", VARIANTS[1], 1))
    assert neovim.lua("_G.Offered") == [
        " 90 %  return a + b",
        " 89 %  total = a + b ↵ return total",
        " 88 %  return 1",
    ]
    neovim.keys("u")
    reads(neovim, HOLES)
    neovim.quit()


def test_a_line_is_written_anew_and_keeps_its_indentation(start: Any, tmp_path: Path) -> None:
    neovim = opened(start, tmp_path)
    neovim.keys("jV:InfillRefill<CR>")
    reads(neovim, HOLES.replace("...", VARIANTS[0], 1))
    neovim.quit()


def test_what_does_not_parse_is_repaired(start: Any, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE.replace("2))", "2)"))
    neovim = started(start, "print(add(1, 2))", insert=False)
    neovim.keys(":InfillRepair<CR>")
    reads(neovim, SOURCE)
    neovim.keys(":InfillRepair<CR>")
    said = neovim.wait(lambda report: "there is no hole here" in report["messages"])
    assert "\n".join(said["lines"]) + "\n" == SOURCE


def test_a_fill_is_drawn_while_it_is_refined(start: Any, tmp_path: Path) -> None:
    neovim = opened(start, tmp_path, steps=6, step_seconds=0.3)
    neovim.keys(":InfillWatch<CR>:InfillFillHoles<CR>")
    between = "↵↵↵def sub(a, b):↵    "
    for drawn in (f"░░░░{between}░░░░", f"return a +░{between}return a +░"):
        neovim.wait(lambda report, drawn=drawn: report["refinement"].strip() == drawn)
    reads(neovim, HOLES.replace("...", VARIANTS[0]))
    neovim.wait(lambda report: report["refinement"] == "")
    neovim.keys("u:InfillWatch<CR>:1,2InfillFillHoles<CR>")
    reads(neovim, HOLES.replace("...", VARIANTS[0], 1))
    assert neovim.report()["refinement"] == ""
    neovim.quit()


def test_a_shared_server_that_dies_is_started_again(start: Any, runtime: Path) -> None:
    neovim = started(start, transport="--relay")
    neovim.wait(lambda report: report["ghost"])
    (first,) = shared_servers(runtime)
    first.kill()
    first.wait(10)
    neovim.wait(lambda _: shared_servers(runtime) and status(neovim) == "infill: fake on cpu")
    (second,) = shared_servers(runtime)
    assert second.pid != first.pid
    neovim.keys("x<BS>")
    neovim.wait(lambda report: report["ghost"].startswith("total"))
    neovim.keys("<Tab>")
    neovim.wait(lambda report: report["lines"][2] == "    return total")


def test_without_a_model_the_reason_is_said_and_typing_goes_on(start: Any) -> None:
    neovim = started(start, says="no weights in /nowhere", load_error="no weights in /nowhere")
    neovim.keys("ten keys<Tab>a second")
    neovim.wait(lambda report: report["lines"][1].endswith("a second"))
    assert neovim.report()["ghost"] == ""
