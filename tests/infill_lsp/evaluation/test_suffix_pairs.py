"""The pairs of gaps: that the file says what it should, and how it is read and judged."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from infill_lsp.documents import parse
from infill_lsp.evaluation.case import EvaluationError
from infill_lsp.evaluation.suffix_pairs import FILE, Pair, Side, read
from infill_lsp.faults import errors

PAIRS = read(FILE)
every_pair = pytest.mark.parametrize("pair", PAIRS, ids=[first.case.group for first, _ in PAIRS])


def test_there_are_fifty_in_many_languages() -> None:
    assert len(PAIRS) == 50
    assert len({first.case.group for first, _ in PAIRS}) == 50
    languages = Counter(first.case.language for first, _ in PAIRS)
    assert languages["python"] == 20
    assert len(languages) >= 10


@every_pair
def test_only_what_follows_differs(pair: Pair) -> None:
    first, second = (side.case for side in pair)
    assert (first.prefix, first.language, first.path) == (
        second.prefix,
        second.language,
        second.path,
    )
    assert first.suffix != second.suffix


@every_pair
def test_what_fits_one_side_does_not_fit_the_other(pair: Pair) -> None:
    first, second = pair
    assert not [fill for fill in first.accepted if second.fits(fill)]
    assert not [fill for fill in second.accepted if first.fits(fill)]


@every_pair
def test_accepted_fills_parse(pair: Pair) -> None:
    for side in pair:
        for fill in side.accepted:
            text = side.case.prefix + fill + side.case.suffix
            tree = parse(side.case.language, text)
            assert tree is not None
            assert errors(tree, 0, len(text)) == 0, fill


@every_pair
def test_accepted_fills_are_written_as_they_are_compared(pair: Pair) -> None:
    for side in pair:
        assert side.accepted
        assert all(fill == fill.strip() != "" for fill in side.accepted)
        if side.pattern is not None:
            assert any(side.pattern.fullmatch(fill) for fill in side.accepted)


def test_a_fill_fits_by_the_list_or_by_the_pattern() -> None:
    case = PAIRS[0][0].case
    side = Side(case, ("a, b",), re.compile(r"x+"))
    assert side.fits(" a, b\n")
    assert side.fits("xxx ")
    assert not side.fits("xxx y")
    assert not side.fits("")
    assert not Side(case, ("a",)).fits("b")
    assert (side.verdict("x"), side.verdict("y")) == ("passed", "failed")


ROW = {
    "id": "loop",
    "language": "python",
    "prefix": "for ",
    "sides": [
        {"suffix": " in a:\n    print(x)\n", "accepted": ["x", "(x)"]},
        {"suffix": " in a:\n    print(y)\n", "accepted": ["y"], "pattern": "_?y"},
    ],
}


def test_a_line_becomes_two_cases(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(ROW) + "\n\n", "utf-8")
    ((first, second),) = read(path)
    assert (first.case.id, second.case.id) == ("loop/1", "loop/2")
    assert first.case.group == second.case.group == "loop"
    assert (first.case.middle, first.accepted, first.pattern) == ("x", ("x", "(x)"), None)
    assert (second.case.suffix, second.case.path) == (" in a:\n    print(y)\n", "example.py")
    assert second.fits("_y")


@pytest.mark.parametrize(
    "line",
    [
        "plain",
        "[1]",
        json.dumps({"id": "loop"}),
        json.dumps(ROW | {"language": "cobol"}),
        json.dumps(ROW | {"sides": ROW["sides"][:1]}),  # type: ignore[index]
        json.dumps(ROW | {"sides": ["x", "y"]}),
        json.dumps(ROW | {"sides": [{"suffix": "", "accepted": []}] * 2}),
        json.dumps(ROW | {"sides": [{"suffix": "", "accepted": ["("], "pattern": "("}] * 2}),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + line + "\n", "utf-8")
    with pytest.raises(EvaluationError, match=r"pairs\.jsonl:2 is not a pair") as raised:
        read(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"none.jsonl cannot be read.*source code"):
        read(tmp_path / "none.jsonl")
