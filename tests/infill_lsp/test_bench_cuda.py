"""The suite for a GPU, run whole at a tiny shape on the CPU: on a card it is to hold no surprise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.bench import suite
from engine.bench.suite import Row
from infill_lsp import cli
from infill_lsp.commands import bench_cuda


def test_the_whole_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "--suite", "cuda", "--shape", "tiny", "--device", "cpu", "--repeats", "1"]
    assert cli.main([*command, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    document = json.loads(printed.splitlines()[-1])
    assert document == json.loads((tmp_path / "cuda.json").read_text())
    assert {"commit", "device", "versions", "bars", "rows"} <= set(document)
    assert (tmp_path / "cuda.png").read_bytes()[:4] == b"\x89PNG"
    assert "transformers: a step" in printed

    facts, *lines = map(json.loads, (tmp_path / "cuda.jsonl").read_text().splitlines())
    assert facts["device"] == document["device"]
    assert lines == document["rows"]
    assert not [row for row in lines if row["unit"] == "failed"]
    for form in ("int4", "fp8", "float32"):
        steps = [row for row in lines if (row["form"], row["measure"]) == (form, "a step")]
        assert [(row["context"], row["batch"]) for row in steps] == [(32, 1), (64, 1), (64, 2)]
        for row in steps:
            assert 0 < row["reached"] < 1
            assert sum(row["parts_ms"].values()) == pytest.approx(row["limit"])
        own = [row for row in lines if row["form"] == form]
        for measure in ("prompt encoded", "a warm key to the first draft"):
            limited = [row for row in own if row["measure"] == measure]
            assert [row["context"] for row in limited] == [32, 64]
            assert all(0 < row["reached"] < 1 for row in limited)
        assert f"{form}: warm key at 64 over 32" in document["bars"]
        assert document["bars"][f"{form}: canvas, tokens/s"] > 0
        assert document["bars"][f"{form}: step over its limit"] > 1


def test_a_form_that_does_not_fit_says_so_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = suite.random_model

    def small(config: object, form: str | None, *more: object) -> object:
        if form == "fp8":
            raise suite.torch.OutOfMemoryError("CUDA out of memory")
        if form == "int4":
            raise RuntimeError("a kernel failed\nhere")
        return made(config, form, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(suite, "random_model", small)
    rows = list(suite.run("tiny", "cpu", CODE, repeats=1, seconds=60))
    failed = [row for row in rows if row.unit == "failed"]
    assert [(row.form, row.measure) for row in failed] == [
        ("int4", "left out: RuntimeError: a kernel failed"),
        ("fp8", "left out: out of memory"),
    ]
    assert {row.form for row in rows} == {"", "int4", "fp8", "float32"}


def test_nothing_begins_when_the_time_is_over() -> None:
    rows = list(suite.run("tiny", "cpu", CODE, repeats=1, seconds=0))
    assert {row.measure for row in rows if row.unit == "failed"} == {"left out: no time left"}
    assert not [row for row in rows if row.measure == "a step"]


def test_without_a_gpu_it_says_how_to_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if suite.torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert cli.main(["bench", "--suite", "cuda", "--out", str(tmp_path)]) == 3
    assert "auto or cpu" in capsys.readouterr().err


def test_figures_against_their_limit_whichever_way_is_better() -> None:
    assert Row("a", "a step", 1, 1, 20.0, "ms", 5.0).reached == 0.25
    assert Row("a", "a canvas", 1, 1, 300.0, "tokens/s", 400.0).reached == 0.75
    rows = [
        Row("fp8", "a step", 2048, 1, 10.0, "ms", 8.0),
        Row("fp8", "a canvas at 16 steps", 2048, 1, 1000.0, "tokens/s", 2000.0),
        Row("fp8", "a canvas at 16 steps", 2048, 16, 8000.0, "tokens/s", 9000.0),
        Row("fp8", "transformers: a step", 2048, 1, 30.0, "ms"),
        Row("fp8", "a warm key to the first draft", 512, 1, 4.0, "ms", 3.0),
        Row("fp8", "a warm key to the first draft", 1024, 1, 5.0, "ms", 3.0),
        Row("fp8", "a warm key to the first draft", 7936, 1, 6.0, "ms", 3.0),
    ]
    found = bench_cuda.bars(rows, 1024)
    assert found["fp8: step over its limit"] == 1.25
    assert found["fp8: 16 variants over one"] == 2.0
    assert found["fp8: transformers over ours"] == 3.0
    assert found["fp8: warm key at 7936 over 1024"] == 1.2
    bench_cuda.show(rows, found)


CODE = "def add(left, right):\n    return left + right\n\n\n" * 20
