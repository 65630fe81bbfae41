"""What `eval beginnings` counts, on functions that were written for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infill_lsp.commands import evaluate_beginnings
from infill_lsp.corpus.documents import Document
from infill_lsp.corpus.shards import write_shards
from infill_lsp.evaluation import beginnings
from infill_lsp.evaluation.beginnings import Looked, look

SCRIPT = """\
function area(shape) {
  const width = shape.right - shape.left;
  var height = shape.bottom - shape.top;
  log(shape);
  return width * height * scale;
}
"""
PADDING = "// as many characters as a file must have\n" * 40


def document(text: str, language: str = "javascript") -> Document:
    return Document(f"area.{language}", "shapes 1.0", "MIT", language, text)


def counts(found: list[Looked]) -> tuple[int, int, int, int]:
    return (
        len(found),
        sum(each.mistaken for each in found),
        sum(each.missing for each in found),
        sum(each.right for each in found),
    )


def test_a_line_that_is_taken_out_is_missing_and_its_beginning_is_judged() -> None:
    bound = PADDING + "const scale = 1;\n" + SCRIPT
    # `width` begins as said; `height` is declared by another word than the file's others
    assert counts(list(look([document(bound)], 0))) == (4, 0, 2, 1)


def test_what_seems_to_be_missing_in_a_finished_file_is_a_mistake() -> None:
    # beside every statement `scale` seems to be missing, and taking out another says nothing new
    assert counts(list(look([document(PADDING + SCRIPT)], 0))) == (4, 4, 0, 0)


@pytest.mark.parametrize(
    ("text", "language"),
    [(SCRIPT, "javascript"), (PADDING + SCRIPT + "}", "javascript"), (PADDING + SCRIPT, "java")],
    ids=["too short", "does not parse", "no row for its language"],
)
def test_files_that_say_nothing_are_passed_over(text: str, language: str) -> None:
    assert list(look([document(text, language)], 0)) == []


@pytest.mark.parametrize(
    ("line", "text", "begins"),
    [
        ("total = 1", "total", True),
        ("totals = 1", "total", False),
        ("let (a, b) = c;", "let (", True),
        ("const {a} = b;", "const", True),
        ("constant = 1", "const", False),
        ("a = 1", "b", False),
    ],
)
def test_a_line_begins_with_whole_words(line: str, text: str, begins: bool) -> None:
    assert beginnings._begins(line, text) is begins


def test_the_command_from_corpus_to_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PADDING + "const scale = 1;\n" + SCRIPT
    write_shards(tmp_path, "heldout", [document(text).to_line()])
    assert evaluate_beginnings.run(tmp_path, seed=0, as_json=False) == 0
    *table, line = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    row = {"language": "javascript", "statements": 4, "mistaken": 0, "missing": 2, "right": 1}
    assert (found["suite"], found["rows"]) == ("beginnings", [row])
    assert any(each.split() == ["javascript", "4", "0", "2", "1"] for each in table)
