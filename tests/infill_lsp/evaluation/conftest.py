"""A benchmark and a corpus of our own, small enough to be read here."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from infill_lsp.corpus.documents import Document
from infill_lsp.corpus.shards import write_shards
from infill_lsp.evaluation.case import Case

PROBLEMS = [
    {
        "task_id": "SingleLineInfilling/HumanEval/900/L0",
        "entry_point": "double",
        "prompt": "def double(x):\n    y = ",
        "suffix": "\n    return y\n",
        "canonical_solution": "2 * x",
        "test": "def check(candidate):\n    assert candidate(3) == 6\n",
    },
    {
        "task_id": "SingleLineInfilling/HumanEval/900/L1",
        "entry_point": "double",
        "prompt": "def double(x):\n    y = 2 * x\n    return ",
        "suffix": "\n",
        "canonical_solution": "y",
        "test": "def check(candidate):\n    assert candidate(3) == 6\n",
    },
    {
        "task_id": "SingleLineInfilling/HumanEval/901/L0",
        "entry_point": "greet",
        "prompt": "def greet(name):\n    # needs no more\n",
        "suffix": "    return 'hello ' + name\n",
        "canonical_solution": "    name = str(name)\n",
        "test": "def check(candidate):\n    assert candidate('you') == 'hello you'\n",
    },
]
"""The last one passes with an empty answer too."""

SHOP = '''"""Prices."""
import math


def total(prices, tax):
    # the tax is a share
    amount = sum(prices)
    for price in prices:
        if price < 0:
            raise ValueError("a price below nothing")
    return math.ceil(amount * (1 + tax))
'''
SETTINGS = '{\n  "name": "shop",\n  "port": 8080,\n  "tags": ["a", "b"]\n}\n'


def span(text: str, part: str) -> list[int]:
    start = text.index(part)
    return [start, start + len(part)]


DOCUMENTS = [
    Document(
        "shop/prices.py",
        "shop 1.0",
        "MIT",
        "python",
        SHOP,
        {
            "block": [span(SHOP, '            raise ValueError("a price below nothing")')],
            "arguments": [span(SHOP, "amount * (1 + tax)")],
        },
    ),
    Document(
        "shop/settings.json",
        "shop 1.0",
        "MIT",
        "json",
        SETTINGS,
        {"value": [span(SETTINGS, "8080"), span(SETTINGS, '"shop"')]},
    ),
]


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """A Python and a JSON file."""
    return DOCUMENTS


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    """A folder as of HumanEval-Infilling, with a single-line split."""
    folder = tmp_path / "benchmark"
    folder.mkdir()
    with gzip.open(folder / "single-line.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in PROBLEMS)
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with held-out documents."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_shards(folder, "heldout", [document.to_line() for document in DOCUMENTS])
    return folder


@pytest.fixture
def case() -> Case:
    return Case(
        "shop:1", "def f(a, b):\n    return ", "\n", "a + b", "python", "line", "f.py", "shop"
    )
