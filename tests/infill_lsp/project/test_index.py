"""The index: what it finds, and that a file leaves it as it came."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infill_lsp.project.index import REGION, Index
from infill_lsp.project.modules import Import

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(
    lambda names: "".join(f"def {name}(x): ...\n" for name in names)
)
edits = st.lists(st.tuples(st.sampled_from("abc"), st.none() | texts), max_size=12)


@settings(max_examples=40)
@given(edits)
def test_after_any_changes_it_is_as_if_built_anew(changes: list[tuple[str, str | None]]) -> None:
    index, files = Index(), {}
    for name, text in changes:
        path = f"{name}.py"
        if text is None:
            index.remove(path)
            files.pop(path, None)
        else:
            index.add(path, "python", text)
            files[path] = text
    fresh = Index()
    for path, text in files.items():
        fresh.add(path, "python", text)
    assert index.paths() == fresh.paths() == sorted(files)
    for path in files:
        assert index.symbols(path) == fresh.symbols(path)
    for word in WORDS:
        found = {each.path for each in index.similar(f"{word}(1)", 9, but_not="")}
        assert found == {path for path, text in files.items() if word in text}
        assert {each.path for each in index.defined(word, 99)} == found


def test_rarer_words_count_more() -> None:
    index = Index()
    for number in range(20):
        index.add(f"{number}.py", "python", "self.value = compute_common(value)\n")
    index.add("rare.py", "python", "self.value = tidal_resonance(value)\n")
    assert index.similar("compute_common(tidal_resonance)", 1, but_not="")[0].path == "rare.py"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text("aAbB_1 é\n", max_size=40))))
def test_words_are_counted_as_sqlite_counts_them(changes: list[tuple[str, str]]) -> None:
    index = Index()
    for name, text in changes:
        index.add(f"{name}.py", "python", text)
    index._database.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row)")
    counted = dict(index._database.execute("SELECT term, doc FROM vocabulary"))
    ours = {word: count for word, count in index._regions_with.items() if word.isascii()}
    assert ours == {word: count for word, count in counted.items() if word in ours}


def test_a_region_says_where_it_begins() -> None:
    index = Index()
    index.add("a.py", "python", "x = 1\n" * (2 * REGION) + "needle_word = 2\n")
    (region,) = index.similar("needle_word", 5, but_not="b.py")
    assert (region.path, region.line) == ("a.py", 2 * REGION)
    assert index.similar("needle_word", 5, but_not="a.py") == []


def test_a_name_defined_everywhere_says_nothing() -> None:
    index = Index()
    for number in range(4):
        index.add(f"{number}.py", "python", "def run(): ...\n")
    assert index.defined("run", 3) == []
    assert len(index.defined("run", 4)) == 4


def test_an_import_means_the_exact_path_or_the_end_of_one() -> None:
    index = Index()
    for path in ("src/shop/prices.py", "prices.py", "go/pkg/store/a.go", "go/pkg/store/sub/b.go"):
        index.add(path, "python", "")
    assert index.resolve(Import(("shop/prices.py",))) == ["src/shop/prices.py"]
    assert index.resolve(Import(("shop/prices.py",), anywhere=False)) == []
    assert index.resolve(Import(("none.py", "prices.py"))) == ["prices.py"]
    assert index.resolve(Import(("pkg/store/",))) == ["go/pkg/store/a.go"]
    assert index.resolve(Import(("op/prices.py",))) == []


parts = st.lists(st.sampled_from(["a", "b", "ab", "b_", "c.py"]), min_size=1, max_size=4)
folders = parts.map(lambda names: "/".join([*names, ""]))


def obvious(paths: list[str], wanted: Import) -> list[str]:
    """What an import means, by a look at every path."""
    for path in wanted.paths:
        if path.endswith("/"):
            found = [
                each for each in paths if f"/{each}".rpartition("/")[0].endswith(f"/{path[:-1]}")
            ]
        else:
            ends = [each for each in paths if wanted.anywhere and each.endswith(f"/{path}")]
            found = sorted([each for each in paths if each == path] or ends, key=len)[:1]
        if found:
            return found
    return []


@given(
    st.lists(parts.map("/".join), max_size=12),
    st.lists(parts.map("/".join) | folders, min_size=1, max_size=3),
    st.booleans(),
)
def test_an_import_means_what_a_look_at_every_path_finds(
    paths: list[str], wanted: list[str], anywhere: bool
) -> None:
    index = Index()
    for path in paths:
        index.add(path, "python", "")
    asked = Import(tuple(wanted), anywhere=anywhere)
    assert index.resolve(asked) == obvious(sorted(set(paths)), asked)


@given(st.sets(st.sampled_from(["A", "B", "f", "g"])))
def test_of_a_file_what_has_a_name_or_belongs_to_it(names: set[str]) -> None:
    index = Index()
    index.add("a.py", "python", "class A:\n    def f(self): ...\n\ndef g(): ...\nB = 1\n")
    every = index.symbols("a.py")
    assert [each.name for each in every] == ["A", "f", "g", "B"]
    assert index.symbols("a.py", names) == [
        each for each in every if each.name in names or each.owner in names
    ]


def test_import_statements_are_those_of_the_file_as_it_is() -> None:
    index = Index()
    index.add("a.py", "python", "import x\n")
    index.add("a.py", "python", "from b import (\n    c,\n)\nimport d\n\ndef f():\n    import e\n")
    index.add("a.json", "json", "{}")
    assert index.imports("a.py") == ["from b import (\n    c,\n)", "import d"]
    assert index.imports("a.json") == index.imports("none.py") == []


def test_without_full_text_search_nothing_is_similar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "infill_lsp.project.index._WORDS", "CREATE VIRTUAL TABLE words USING none()"
    )
    index = Index()
    index.add("a.py", "python", "def alpha(): ...\n")
    assert not index.has_words
    assert index.similar("alpha", 3, but_not="") == []
    assert index.defined("alpha", 3)


def test_nothing_is_written_to_disk() -> None:
    database = Index()._database
    assert isinstance(database, sqlite3.Connection)
    assert database.execute("PRAGMA database_list").fetchall() == [(0, "main", "")]
