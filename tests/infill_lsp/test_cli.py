"""The command line: bad input gets one line with the cure and the right exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine
from rich.console import Console

import engine
from engine import Token
from infill_lsp import offers
from infill_lsp.cli import main
from infill_lsp.commands import doctor
from infill_lsp.commands.fill import LARGEST_FILE, canvas, excerpt
from infill_lsp.documents import Document

SOURCE = "def add(a, b):\n    return \n\nprint(add(1, 2))\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "app.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeEngine]:
    """Make `engine.load` give this FakeEngine."""

    def use(*arguments: Any, **options: Any) -> FakeEngine:
        fake = FakeEngine(*arguments, **options)
        monkeypatch.setattr(engine, "load", lambda config: fake)
        return fake

    return use


def test_fill_shows_the_gap_filled_in_its_place(
    source: Path, fake: Callable[..., FakeEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = fake("a + b")
    assert main(["fill", f"{source}:2:12"]) == 0
    shown = capsys.readouterr().out
    assert "    2 +     return a + b\n" in shown
    assert "    4   print(add(1, 2))\n" in shown
    assert loaded.requests[0].prefix == SOURCE[:26]
    assert loaded.closed


def test_fill_as_json(
    source: Path, fake: Callable[..., FakeEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    fake(["a + b", "b + a"])
    assert main(["fill", f"{source}:2:12", "--variants", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["text"] == "a + b"
    assert [variant["text"] for variant in answer["variants"]] == ["a + b", "b + a"]
    assert {"model", "device", "prompt_tokens", "canvas_tokens", "steps", "forwards", "ms"} <= set(
        answer
    )


def test_a_range_is_replaced(source: Path, fake: Callable[..., FakeEngine]) -> None:
    loaded = fake("subtract")
    assert main(["fill", f"{source}:1:5", "--to", "1:8"]) == 0
    request = loaded.requests[0]
    assert request.prefix == "def "
    assert request.suffix == SOURCE[7:]


def test_watch_draws_each_step(
    source: Path, fake: Callable[..., FakeEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    fake("a + b", steps=3)
    assert main(["fill", f"{source}:2:12", "--watch"]) == 0
    shown = capsys.readouterr().out
    assert [f"step   {step}" in shown for step in (1, 2)] == [True] * 2


def test_nothing_to_show_says_why(
    source: Path, fake: Callable[..., FakeEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    fake("   ")
    assert main(["fill", f"{source}:2:12"]) == 1
    assert "nothing to show: " in capsys.readouterr().out


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return f"{path}:1:1"


@pytest.mark.parametrize(
    ("target", "complaint", "cure"),
    [
        (lambda folder: f"{folder}/none.py:1:1", "No such file", "Give a source file"),
        (lambda folder: f"{folder}:1:1", "Is a directory", "Give a source file"),
        (lambda folder: f"{folder}/app.py", "is not FILE:LINE:COL", "for example"),
        (lambda folder: f"{folder}/app.py:9:1", "line 9 is outside", "has 5 lines"),
        (lambda folder: f"{folder}/app.py:0:1", "line 0 is outside", "has 5 lines"),
        (lambda folder: f"{folder}/app.py:1:99", "column 99 is outside", "from 1 to 15"),
        (lambda folder: write(folder / "x.bin", b"\x7fELF\0"), "is binary", "source file"),
        (
            lambda folder: write(folder / "l.py", b"caf\xe9 = 1"),
            "not UTF-8 (byte 0xe9 at 3)",
            "iconv",
        ),
        (
            lambda folder: write(folder / "big.py", b"x = 1\n" * (LARGEST_FILE // 6 + 1)),
            "has 5.0 MB",
            "up to 5 MB",
        ),
    ],
)
def test_bad_input_is_one_line_with_the_cure(
    tmp_path: Path,
    source: Path,
    fake: Callable[..., FakeEngine],
    capsys: pytest.CaptureFixture[str],
    target: Callable[[Path], str],
    complaint: str,
    cure: str,
) -> None:
    fake("never asked")
    assert main(["fill", target(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert complaint in said.err
    assert cure in said.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--to", "1:1"], "before the gap's start"),
        (["--to", "here"], "is not LINE:COL"),
        (["--to", "2:40"], "column 40 is outside"),
    ],
)
def test_a_bad_end_of_the_gap(
    source: Path,
    fake: Callable[..., FakeEngine],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    fake("never asked")
    assert main(["fill", f"{source}:2:12", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_a_model_that_cannot_be_loaded(
    source: Path, fake: Callable[..., FakeEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    fake(load_error="The weights are broken. Reinstall infill-lsp.")
    assert main(["fill", f"{source}:2:12"]) == 3
    assert capsys.readouterr().err == "infill-lsp: The weights are broken. Reinstall infill-lsp.\n"


def test_unknown_options_and_ports_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["fill"])
    assert stopped.value.code == 2
    assert main(["--tcp", "70000"]) == 2
    assert "HOST" in capsys.readouterr().err


def test_eval_has_the_pairs_and_asks_for_other_data(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--limit", "2", "--model", "gold", "--without-suffix", "--json"]
    assert main(["eval", "suffix-pairs", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cases"], found["without_suffix"], found["pass_at_1"]) == (2, True, 1.0)
    assert main(["eval", "heldout"]) == 2
    assert "heldout needs --data DIR" in capsys.readouterr().err


def test_doctor_names_what_is_wrong_and_how_to_mend_it(
    fake: Callable[..., FakeEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    fake(load_error="The weights are broken. Reinstall infill-lsp.")
    assert main(["doctor", "--json"]) == 1
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert not findings["model auto"]["ok"]
    assert "Reinstall" in findings["model auto"]["detail"]
    assert findings["grammars"]["ok"]
    assert findings["torch"]["ok"]


def test_doctor_is_content_when_all_is_well(
    fake: Callable[..., FakeEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    fake("x")
    assert main(["doctor"]) == 0
    verdicts = {line.partition(" ")[0] for line in capsys.readouterr().out.splitlines()}
    assert "ok" in verdicts
    assert "no" not in verdicts


def test_doctor_offers_a_better_model_once(
    fake: Callable[..., FakeEngine], capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    answers, fetched = [False, True], list[str]()
    monkeypatch.setattr(doctor.Confirm, "ask", lambda *_, **__: answers.pop(0))
    monkeypatch.setattr(doctor.models, "get", lambda name, **_: fetched.append(name))
    monkeypatch.setattr(doctor.Console, "is_terminal", True)
    name = "qwen2.5-coder-1.5b"
    offers.give_back(name)

    def run(*options: str) -> str:
        fake("x", offer=name)
        assert main(["doctor", *options]) == 0
        return " ".join(capsys.readouterr().out.split())

    assert f"1.1 GB, licence Apache-2.0, quick enough here: `infill-lsp models get {name}`" in run()
    assert answers == [False, True], "nobody is there to answer"
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    run("--json")
    assert answers == [False, True]
    run()
    run()
    assert (answers, fetched) == ([True], []), "no is taken for an answer"
    offers.give_back(name)
    run()
    assert fetched == [name]


def test_doctor_says_what_stands_in(
    fake: Callable[..., FakeEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    fake("x", instead="a.safetensors is damaged. Download the model again.")
    assert main(["doctor", "--json"]) == 1
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert "is damaged" in findings["model auto"]["detail"]


def test_models_get_tells_a_program_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_model(name: str, say: Callable[[str], None], progress: Any) -> None:
        say(f"{name}, licence X")
        progress(0.5, "half of it")

    monkeypatch.setattr(engine, "get_model", get_model)
    for arguments in (["models", "get", "a", "--json"], ["models", "--json", "get", "a"]):
        assert main(arguments) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert lines == [{"said": "a, licence X"}, {"share": 0.5, "what": "half of it"}]
    assert main(["models", "get", "a"]) == 0
    assert capsys.readouterr().out == "a, licence X\n"


def test_models_lists_the_bundled_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
    assert Path(models["bundled"]["path"]).is_dir()
    assert models["bundled"]["licence"] == "Apache-2.0"
    assert main(["models"]) == 0
    assert "diffusiongemma" in capsys.readouterr().out


def test_models_get_says_where_the_model_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "get", "bundled"]) == 0
    assert "Qwen2.5-Coder-0.5B-Instruct is here" in capsys.readouterr().out
    assert main(["models", "get", "gpt-9"]) == 3
    assert "Known are bundled, qwen2.5-coder-1.5b, diffusiongemma" in capsys.readouterr().err


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_excerpt_numbers_lines_and_marks_the_touched_ones(newline: str) -> None:
    text = "".join(f"line {number}{newline}" for number in range(1, 21))
    snapshot = Document("file:///x.txt", text).snapshot()
    at = text.index("line 10") + 7
    shown = excerpt(snapshot, at, at, f" and{newline}more").plain.split("\n")
    assert shown[4:6] == ["   10 + line 10 and", "   11 + more"]
    assert shown[0] == "    6   line 6"
    assert shown[-1] == "   15   line 14"


def test_a_drawn_canvas_shows_noise_as_blocks() -> None:
    tokens = (
        Token("return", 1.0, free=False, settled=True),
        Token(" a", 0.9, free=True, settled=True),
        Token("", 0.0, free=True, settled=False),
    )
    assert canvas(tokens).plain == "return a░"
    console = Console(record=True, width=40)
    console.print(canvas(tokens))
