"""Definitions and signatures, over the sample of each language."""

from __future__ import annotations

from pathlib import Path

import pytest

from infill_lsp.project.outline import outline_of

SAMPLES = Path(__file__).parents[3] / "fixtures" / "languages"
EXPECTED = [
    (
        "python",
        "sample.py",
        "Order",
        "total",
        "def total(self, prices: dict[str, float]) -> float:",
    ),
    ("python", "sample.py", "Order", "customer", "customer: str"),
    ("typescript", "sample.ts", "Cache", "get", "get(key: string): T | undefined"),
    ("typescript", "sample.ts", "Entry", "size", "size: number"),
    ("tsx", "sample.tsx", "", "Counter", "function Counter({ start, label }: Props)"),
    ("javascript", "sample.js", "Queue", "add", "add(task)"),
    ("rust", "sample.rs", "Counts", "of", "pub fn of(text: &'a str) -> Self"),
    ("go", "sample.go", "", "Get", "func (s *Store) Get(key string) (string, error)"),
    ("go", "sample.go", "Store", "values", "values map[string]string"),
    ("java", "Sample.java", "Basket", "add", "public void add(String name, int count)"),
    ("c", "sample.c", "buffer", "length", "size_t length;"),
    ("cpp", "sample.cpp", "Matrix", "rows", "std::size_t rows() const"),
    ("cpp", "sample.cpp", "Matrix", "rows_", "std::size_t rows_;"),
    ("csharp", "Sample.cs", "PriceList", "Add", "public void Add(Price price)"),
    ("ruby", "sample.rb", "Reader", "count", "def count(word)"),
    ("php", "sample.php", "", "total", "function total(array $prices): float"),
    ("lua", "sample.lua", "", "push", "function Stack:push(state)"),
    ("bash", "sample.sh", "", "newest_first", "newest_first()"),
    ("sql", "sample.sql", "", "orders", "CREATE TABLE orders"),
]


@pytest.mark.parametrize(("language", "file", "owner", "name", "signature"), EXPECTED)
def test_a_signature_with_its_owner(
    language: str, file: str, owner: str, name: str, signature: str
) -> None:
    text = (SAMPLES / file).read_text("utf-8")
    found = [
        each
        for each in outline_of(language, text).symbols
        if (each.owner, each.name) == (owner, name)
    ]
    assert [each.signature for each in found] == [signature]
    assert name in text.split("\n")[found[0].line]


def test_what_is_local_to_a_function_is_left_out() -> None:
    text = "LIMIT = 3\ndef f():\n    def inner(): ...\n    class C:\n        x = 1\n    y = 2\n"
    assert [each.name for each in outline_of("python", text).symbols] == ["LIMIT", "f"]


def test_broken_code_still_defines_something() -> None:
    symbols = outline_of("python", "def f(a):\n    x = (\n\ndef g(b): ...\n").symbols
    assert symbols[0].name == "f"


@pytest.mark.parametrize("language", ["json", "yaml", "css", "klingon"])
def test_data_defines_nothing(language: str) -> None:
    assert outline_of(language, '{"a": {"b": 1}}').symbols == ()
