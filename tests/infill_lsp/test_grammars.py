"""Every language of the table loads, names only node types that exist, and parses its sample."""

from __future__ import annotations

from pathlib import Path

import pytest
from tree_sitter import Language, Parser

from infill_lsp import grammars
from infill_lsp.grammars import GRAMMARS, available, language_for, parser_for

SAMPLES = sorted((Path(__file__).parents[2] / "fixtures" / "languages").iterdir())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_each_sample_parses_without_an_error(path: Path) -> None:
    language = language_for("", str(path))
    assert language is not None
    parser = parser_for(language)
    assert parser is not None
    assert not parser.parse(path.read_bytes()).root_node.has_error


def test_each_language_has_a_sample() -> None:
    assert {language_for("", path.name) for path in SAMPLES} == set(GRAMMARS)


@pytest.mark.parametrize("language", GRAMMARS)
def test_the_table_names_node_types_that_exist(language: str) -> None:
    row = GRAMMARS[language]
    loaded = grammars._load(language)
    assert isinstance(loaded, Language)
    names = {
        *row.strings,
        *row.interpolations,
        *row.comments,
        *row.imports,
        *row.scopes,
        *row.bodies,
    }
    known = {loaded.node_kind_for_id(kind) for kind in range(loaded.node_kind_count)}
    # rows that share a tuple (C and C++) may name a type that only one of them has
    assert len(names - known) <= (1 if language == "c" else 0), names - known


@pytest.mark.parametrize(
    ("language_id", "path", "language"),
    [
        ("javascriptreact", "a.jsx", "javascript"),
        ("typescriptreact", "a.tsx", "tsx"),
        ("typescript", "", "typescript"),
        ("shellscript", "run", "bash"),
        ("csharp", "", "csharp"),
        ("cpp", "a.h", "cpp"),
        ("", "a.h", "c"),
        ("plaintext", "notes.txt", None),
        ("", "C:\\work\\Main.java", "java"),
        ("", "src/App.TSX", "tsx"),
        ("", "Gemfile", "ruby"),
        ("unknown-id", "x.rs", "rust"),
        ("", "", None),
    ],
)
def test_language_for(language_id: str, path: str, language: str | None) -> None:
    assert language_for(language_id, path) == language


def test_available_lists_a_version_for_every_language() -> None:
    report = available()
    assert set(report) == set(GRAMMARS)
    assert all(value[0].isdigit() for value in report.values())


def test_a_grammar_that_fails_to_load_is_plain_text_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> None:
        raise ImportError(f"no module {name}")

    grammars._load.cache_clear()
    monkeypatch.setattr(grammars, "import_module", broken)
    try:
        assert parser_for("go") is None
        reason = available()["go"]
        assert reason.startswith("error: no module tree_sitter_go")
        assert "pip install" in reason
    finally:
        monkeypatch.undo()
        grammars._load.cache_clear()
    assert isinstance(parser_for("go"), Parser)
