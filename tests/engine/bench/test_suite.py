"""The suite for a GPU, run whole at a tiny shape on the CPU: on a card it is to hold no surprise."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.bench import command, small, suite
from engine.bench.__main__ import main
from engine.bench.bars import bars
from engine.bench.figures import Row
from engine.bench.report import show
from engine.bench.shapes import SIZES
from engine.bench.time_limit import OutOfTime, time_limit
from infill_lsp import cli

TINY = SIZES["tiny"]
CODE = "def add(left, right):\n    return left + right\n\n\n" * 20


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the small model out: it takes seconds to load."""
    monkeypatch.setattr(small.Subject, "rows", lambda self: iter(()))


def tiny(out: Path, *options: str) -> list[str]:
    return ["--shape", "tiny", "--device", "cpu", "--repeats", "1", "--out", str(out), *options]


@pytest.mark.usefixtures("no_model")
def test_the_whole_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--suite", "cuda", *tiny(tmp_path)]) == 0
    printed = capsys.readouterr().out
    document = json.loads(printed.splitlines()[-1])
    assert document == json.loads((tmp_path / command.DOCUMENT).read_text())
    assert {"commit", "device", "versions", "bars", "rows"} <= set(document)
    assert (tmp_path / command.PICTURE).read_bytes()[:4] == b"\x89PNG"
    lines, found = document["rows"], document["bars"]
    assert not [row for row in lines if row["unit"] == "failed"]
    for form in ("int4", "fp8", "float32"):
        steps = [row for row in lines if (row["form"], row["measure"]) == (form, "a step")]
        sizes = [(row["context"], row["batch"], row["slots"]) for row in steps]
        assert sizes == [(32, 1, 32), (64, 1, 32), (64, 2, 32), (64, 1, 16)]
        for row in steps:
            assert 0 < row["reached"] < 1
            assert sum(row["parts_ms"].values()) == pytest.approx(row["limit"])
        own = [row for row in lines if row["form"] == form]
        for measure in ("prompt encoded", "a warm key to the first draft"):
            limited = [row for row in own if row["measure"] == measure]
            assert [row["context"] for row in limited] == [32, 64]
            assert all(0 < row["reached"] < 1 for row in limited)
        assert f"{form}: a warm key at 64 over 32" in found
        assert found[f"{form}: a canvas"]["value"] > 0
        assert found[f"{form}: a step over its limit"]["met"] == "missed"
    assert found["float32: against transformers"]["floor"] == 2.0


@pytest.mark.usefixtures("no_model")
def test_the_short_form_has_every_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tiny(tmp_path, "--short", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    names = {name.partition(": ")[2] for name in document["bars"]}
    assert names == {
        "a canvas",
        "2 variants over one",
        "a step over its limit",
        "a step of 16 over one of 32",
        "a warm key at 64 over 32",
        "weights and cache",
        "against transformers",
    }


@pytest.mark.usefixtures("no_model")
def test_a_run_that_is_stopped_has_lost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(*_: Any, **__: Any) -> Iterator[Row]:
        yield Row("fp8", "a canvas at 16 steps", 64, 1, 700.0, "tokens/s", slots=32)
        raise KeyboardInterrupt

    monkeypatch.setattr(suite, "run", rows)
    with pytest.raises(KeyboardInterrupt):
        main(tiny(tmp_path))
    document = json.loads((tmp_path / command.DOCUMENT).read_text())
    assert document["bars"]["fp8: a canvas"]["value"] == 700.0


def run(seconds: float = 60.0) -> list[Row]:
    return list(suite.run(TINY, "cpu", CODE, repeats=1, seconds=seconds, model="bundled"))


@pytest.mark.usefixtures("no_model")
def test_a_form_that_does_not_fit_says_so_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = suite.random_model

    def choosy(config: object, form: str | None, *more: object) -> object:
        if form == "fp8":
            raise suite.torch.OutOfMemoryError("CUDA out of memory")
        if form == "int4":
            raise RuntimeError("a kernel failed\nhere")
        return made(config, form, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(suite, "random_model", choosy)
    rows = run()
    failed = [row for row in rows if row.unit == "failed"]
    assert [(row.form, row.measure) for row in failed] == [
        ("fp8", "left out: out of memory"),
        ("int4", "left out: RuntimeError: a kernel failed"),
    ]
    assert {row.form for row in rows} == {"", "int4", "fp8", "float32"}


def test_nothing_begins_when_the_time_is_over() -> None:
    rows = run(seconds=0)
    assert {row.measure for row in rows if row.unit == "failed"} == {"left out: no time left"}
    assert not [row for row in rows if row.measure == "a step"]


def test_a_compiler_is_stopped_when_the_time_is_over() -> None:
    def compile_for_long() -> None:
        with time_limit(0.05):
            while time.monotonic() < began + 10:
                pass

    began = time.monotonic()
    with pytest.raises(OutOfTime):
        compile_for_long()
    assert time.monotonic() < began + 5
    with time_limit(60):
        pass  # and its limit goes with it


def test_without_a_gpu_it_says_how_to_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if suite.torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert cli.main(["bench", "--suite", "cuda", "--out", str(tmp_path)]) == 3
    assert "auto or cpu" in capsys.readouterr().err
    assert main(["--out", str(tmp_path)]) == 3
    assert "auto or cpu" in capsys.readouterr().err


def test_bars_and_what_they_are_meant_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("fp8", "a step", 2048, 1, 10.0, "ms", 8.0, slots=256),
        Row("fp8", "a step", 2048, 1, 5.0, "ms", 4.0, slots=16),
        Row("fp8", "a canvas at 16 steps", 2048, 1, 1000.0, "tokens/s", 2000.0, slots=256),
        Row("fp8", "a canvas at 16 steps", 2048, 16, 8000.0, "tokens/s", 9000.0, slots=256),
        Row("fp8", "transformers: a step", 2048, 1, 30.0, "ms", slots=256),
        Row("fp8", "a warm key to the first draft", 1024, 1, 5.0, "ms", 3.0),
        Row("fp8", "a warm key to the first draft", 7936, 1, 8.0, "ms", 3.0),
        Row("bundled", "rest of a line", 2000, 1, 19.0, "ms"),
    ]
    found = {bar.name: bar for bar in bars(rows, SIZES["real"], "NVIDIA H100 80GB HBM3")}
    met = {name: (bar.value, bar.met) for name, bar in found.items()}
    assert met == {
        "fp8: a canvas": (1000.0, "floor"),
        "fp8: 16 variants over one": (2.0, "floor"),
        "fp8: a step over its limit": (1.25, "aim"),
        "fp8: a step of 16 over one of 256": (0.5, ""),
        "fp8: a warm key at 7936 over 1024": (1.6, "missed"),
        "fp8: against transformers": (3.0, "floor"),
        "bundled: rest of a line": (19.0, "aim"),
    }
    on_another = bars(rows, SIZES["real"], "NVIDIA GeForce RTX 4090")
    assert on_another[0].met == ""
    show(rows, found.values())
    assert "1,500" in capsys.readouterr().out


def test_figures_against_their_limit_whichever_way_is_better() -> None:
    assert Row("a", "a step", 1, 1, 20.0, "ms", 5.0).reached == 0.25
    assert Row("a", "a canvas", 1, 1, 300.0, "tokens/s", 400.0).reached == 0.75
