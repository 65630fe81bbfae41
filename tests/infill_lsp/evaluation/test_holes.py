"""`infill-lsp eval holes`: which files it asks, how it judges, and the whole command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine

import engine
from engine import EngineConfig, InfillRequest
from infill_lsp.commands import CommandError
from infill_lsp.commands.evaluate_holes import run
from infill_lsp.corpus.documents import Document
from infill_lsp.corpus.shards import write_shards
from infill_lsp.evaluation.case import EvaluationError
from infill_lsp.evaluation.holes import HolesCase, cases, judge


def document(text: str) -> Document:
    return Document("a.py", "a 1.0", "MIT", "python", text, {})


def only(text: str) -> HolesCase:
    (case,) = cases([document(text)], seed=0, limit=None)
    return case


TOTAL = "def f(prices):\n    total = sum(prices)\n    print(total)\n    return total * 2\n"


def test_every_line_that_uses_a_variable_is_opened() -> None:
    case = only(TOTAL)
    assert [TOTAL[start:end] for start, end in case.spans] == [
        "total = sum(prices)",
        "total)",
        "total * 2",
    ]
    text, places = case.opened()
    assert text == "def f(prices):\n    ‸\n    print(‸\n    return ‸\n"
    assert [text[start:end] for start, end in places] == ["‸"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    a = 1\n",  # no use
        "def f():\n    a = 1\n    return g(a, a=2)\n",  # also the name of an argument
        "def f():\n    a = 1\n    return 'a', a\n",  # also in a string
        "def f(a):\n    print(a)\n    a = 1\n",  # used before
        "def f():\n    a = (1,\n         2)\n    return a\n",  # over two lines
        "a = 1\nprint(a)\n",  # not in a function
        "def f(:\n",
    ],
)
def test_variables_whose_uses_are_not_known_are_left_alone(text: str) -> None:
    with pytest.raises(EvaluationError):
        cases([document(text)], seed=0, limit=None)


def verdict(*fills: str) -> tuple[bool, bool]:
    case = only(TOTAL)
    text, places = case.opened()
    for (start, end), fill in zip(reversed(places), reversed(fills), strict=True):
        text = text[:start] + fill + text[end:]
    found = judge(case, text, fills)
    return found.parses, found.names_agree


def test_names_agree_when_one_defines_what_the_others_use() -> None:
    assert verdict("total = sum(prices)", "total)", "total * 2") == (True, True)
    assert verdict("s = sum(prices)", "s)", "s") == (True, True)
    assert verdict("s = sum(prices)", "t)", "s") == (True, False)
    assert verdict("s = sum(prices)", "prices)", "1") == (True, False)
    assert verdict("s = sum(prices", "s)", "s") == (False, False)


def test_what_the_file_itself_does_wrong_does_not_count() -> None:
    case = only(TOTAL.replace("print", "missing"))
    assert judge(case, case.text, ["", "", ""]).names_agree


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write_shards(tmp_path, "heldout", [document(TOTAL).to_line()])
    return tmp_path


def test_both_ways_are_asked_and_told_apart(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: InfillRequest) -> list[Any]:
        if request.between:
            return [["s = sum(prices)", "s)", "s"]]
        return ["x = 1" if request.prefix.endswith(":\n    ") else "y"]

    fake = FakeEngine(answer)
    monkeypatch.setattr(engine, "load", lambda config: fake)
    assert run(corpus, EngineConfig(), seed=3, limit=1) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    together, in_turn = found["ways"]["together"], found["ways"]["one after another"]
    assert (together["parses"], together["names_agree"]) == (1.0, 1.0)
    assert in_turn["names_agree"] == 0.0
    assert found["together_minus_one_after_another"]["names_agree"] == 1.0
    assert (found["files"], found["holes"], found["order"]) == (1, 3, "any")
    assert found["command"].endswith("--seed 3")


def test_a_folder_without_held_out_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="heldout"):
        run(tmp_path, EngineConfig())
