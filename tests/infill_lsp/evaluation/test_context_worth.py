"""Gaps for each source of context, and what they sum up to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import EngineConfig
from infill_lsp.commands import evaluate_context
from infill_lsp.corpus.documents import Document
from infill_lsp.corpus.shards import write_shards
from infill_lsp.evaluation.case import EvaluationError
from infill_lsp.evaluation.context_worth import (
    ALL,
    CONDITIONS,
    LOCAL,
    Gap,
    Reading,
    drawn,
    reading,
    summary,
)
from infill_lsp.evaluation.scores import change, change_interval

PRICES = "class Catalog:\n    def price_of(self, name: str) -> int:\n        return len(name)\n"
SHOP = (
    "from shop.prices import Catalog\n\n\ndef total(names):\n"
    "    return sum(Catalog().price_of(name) for name in names)\n"
)


def documents(package: str = "shop 1.0") -> list[Document]:
    files = {"shop/prices.py": PRICES, "shop/cart.py": SHOP, "shop/other.py": "LIMIT = 3\n"}
    return [
        Document(path, package, "MIT", "python", text) for path, text in files.items()
    ]  # fmt: skip


@pytest.fixture
def gap() -> Gap:
    found = next(
        gap
        for seed in range(20)
        for gap in drawn(documents(), seed=seed, limit=1)
        if "price_of" in gap.names
    )
    assert found.requests[LOCAL].snippets == ()
    return found


def test_a_gap_names_something_that_another_file_defines(gap: Gap) -> None:
    request = gap.requests[ALL]
    assert request.prefix + gap.text + request.suffix == SHOP
    assert gap.requests.keys() == CONDITIONS.keys()
    shown = [each.text for each in gap.requests["imports"].snippets]
    assert any("def price_of(self, name: str) -> int:" in text for text in shown)


def test_the_gaps_own_file_is_in_no_piece(gap: Gap) -> None:
    pieces = [each for request in gap.requests.values() for each in request.snippets]
    assert pieces
    assert {each.path for each in pieces} <= {"shop/prices.py", "shop/other.py"}


def test_fewer_gaps_are_the_first_of_more() -> None:
    several = documents("a 1") + documents("b 1") + documents("c 1")
    more = drawn(several, seed=1, limit=6)
    assert drawn(several, seed=1, limit=3) == more[:3]
    assert len({gap.package for gap in more[:3]}) == 3


def test_a_corpus_of_single_files_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no held-out package"):
        drawn(documents()[:1], seed=0, limit=3)


def test_tokens_of_names_from_other_files_are_counted_apart() -> None:
    tokens = [(" Cata", 1.0, True), ("log", 0.5, True), ("(", 0.25, True), ("x", 2.0, False)]
    assert reading(tokens, frozenset({"Catalog"})) == Reading(3.75, 4, 1.5, exact=False)
    assert reading(tokens[:2], frozenset()) == Reading(1.5, 2, 0.0, exact=True)


def test_the_summary_sets_each_condition_against_the_file_alone() -> None:
    local, better = Reading(4.0, 2, 2.0, exact=False), Reading(3.0, 2, 1.0, exact=True)
    outcomes = dict.fromkeys(CONDITIONS, local) | {"imports": better}
    rows = {
        row["condition"]: row for row in summary([("a", outcomes), ("b", outcomes)], seed=0)
    }  # fmt: skip
    assert rows["imports"]["loss"] == 1.5
    assert rows["imports"]["loss_change"] == rows["imports"]["loss_interval"][0] == -0.25
    assert rows["imports"]["names_change"] == -0.5
    assert (rows["imports"]["exact"], rows[LOCAL]["exact"]) == (1.0, 0.0)
    assert rows["similar"]["loss_change"] == 0.0


def test_a_change_is_of_the_sums_and_its_interval_around_it() -> None:
    groups = {str(n): [(1.0 + n % 3, 2.0)] for n in range(30)}
    low, high = change_interval(groups, 0) or (1.0, -1.0)
    assert change(groups) == 0.0
    assert -0.3 < low < 0 < high < 0.3
    assert change({"a": [(1.0, 0.0)]}) is None
    assert change_interval({"a": [(1.0, 0.0)]}, 0) is None


def test_the_command_from_corpus_to_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(tmp_path, "heldout", (each.to_line() for each in documents()))
    config = EngineConfig(threads=1)
    assert evaluate_context.run(tmp_path, config, limit=1, seed=0, as_json=False) == 0
    *table, line = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert [row["condition"] for row in found["rows"]] == list(CONDITIONS)
    assert (found["suite"], found["packages"], found["rows"][0]["gaps"]) == ("context", 1, 1)
    assert found["rows"][0]["loss"] > 0
    assert any(text.lstrip().startswith("imports") for text in table)
