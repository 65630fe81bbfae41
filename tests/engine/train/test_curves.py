"""The log is read as it was meant, and drawn as a picture that shows it."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.request import EngineError
from engine.train.curves import draw, read_log, smoothed


def row(step: int, **more: Any) -> dict[str, Any]:
    return {
        "step": step,
        "seconds": step * 2.0,
        "tokens": step * 1000,
        "positions": step * 100,
        "loss": 3.0 / (step + 1),
        "denoise": 2.0 / (step + 1),
        "causal": 1.0 / (step + 1),
        "lr": 1e-4,
        "tokens_per_second": 500.0,
        "utilization": 0.5,
    } | more


def write(path: Path, rows: list[dict[str, Any]], end: str = "") -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows) + end)
    return path


def test_a_resumed_run_counts_the_later_line(tmp_path: Path) -> None:
    rows = [row(0), row(1), row(2), row(1, loss=9.0), {"step": 2, "dev": {"denoise": 1.0}}]
    read = read_log(write(tmp_path / "log.jsonl", rows))
    assert [each["step"] for each in read] == [0, 1, 2, 2]
    assert read[1]["loss"] == 9.0
    assert [each for each in read if "dev" in each] == [rows[-1]]


@pytest.mark.parametrize("line", ['{"step": 2, "lo', '{"step": 2, "lo{"step": 3}', "{}", "[1]"])
def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path, line: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f"{json.dumps(row(0))}\n{line}\n{json.dumps(row(4))}\n{line}")
    assert [each["step"] for each in read_log(path)] == [0, 4]


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("It was a dark\nand stormy night.")
    with pytest.raises(EngineError, match=r"novel\.txt is not a training log"):
        read_log(tmp_path / "novel.txt")


def test_a_missing_log_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"log\.jsonl: No such file.*Train first"):
        read_log(tmp_path / "log.jsonl")


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.integers(1, 40))
def test_the_running_mean_changes_by_what_comes_and_goes(values: list[float], width: int) -> None:
    means = smoothed(values, width)
    assert len(means) == len(values)
    for index, mean in enumerate(means):
        if index < width:
            assert mean * (index + 1) == pytest.approx(sum(values[: index + 1]), abs=1e-3)
        else:
            change = (values[index] - values[index - width]) / width
            assert mean == pytest.approx(means[index - 1] + change, abs=1e-3)


def test_one_step_without_a_number_does_not_spoil_the_rest() -> None:
    assert smoothed([math.nan, 1.0, 2.0, 4.0], 2)[2:] == [1.5, 3.0]


def dark_pixels(picture: Path) -> int:
    from matplotlib.image import imread

    return int((imread(picture)[..., :3].mean(-1) < 0.8).sum())


def test_the_picture_shows_the_curves(tmp_path: Path) -> None:
    rows = [row(step) for step in range(100)]
    rows[50]["loss"] = rows[50]["denoise"] = math.nan
    dev = [{"step": step, "dev": {"denoise": 2.5, "causal": 1.5}} for step in (20, 60, 99)]
    draw([row(0)], tmp_path / "empty.png")
    draw([*rows, *dev], tmp_path / "new" / "full.png")
    assert (tmp_path / "empty.png").read_bytes().startswith(b"\x89PNG")
    assert dark_pixels(tmp_path / "new" / "full.png") > 1.3 * dark_pixels(tmp_path / "empty.png")


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no steps yet"):
        draw([{"step": 0, "dev": {"denoise": 1.0, "causal": 1.0}}], tmp_path / "x.png")


def test_a_picture_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(EngineError, match=r"Cannot write .*taken\.png"):
        draw([row(0)], tmp_path / "taken.png")


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(EngineError, match=r"infill-lsp\[train\]"):
        draw([row(0)], tmp_path / "x.png")
