"""Each case of `fixtures/completions/`: a file, what the engine says, what the editor gets."""

from __future__ import annotations

import asyncio
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine

from engine import Snippet, Stop
from infill_lsp.completion import fill
from infill_lsp.documents import Document, parse
from infill_lsp.faults import errors
from infill_lsp.grammars import GRAMMARS
from infill_lsp.settings import Settings

FOLDER = Path(__file__).parents[2] / "fixtures" / "completions"
CASES = {
    f"{path.parent.name}/{path.stem}": tomllib.loads(path.read_text("utf-8"))
    for path in sorted(FOLDER.rglob("*.toml"))
}
KEYS = {
    *("text", "answer", "expected", "tags", "newline", "automatic", "sees_after"),
    *("path", "deadline", "other_files"),
}
KINDS = {
    *("notice", "deadline", "open-before", "column", "closer-column", "repetition"),
    *("no-grammar", "interpolation", "byte-order-mark", "unknown-member"),
}
"""What people reported of completers; `kinds.md` beside the cases says more."""
TAGS = {
    "mid-line",
    "suffix",
    "brackets",
    "quotes",
    "indentation",
    "tabs",
    "crlf",
    "non-ascii",
    "silent",
    *KINDS,
}


@pytest.mark.parametrize("name", CASES)
async def test_a_gold_completion(name: str) -> None:
    case, language = CASES[name], name.partition("/")[0]
    text, expected = (native(case[key], case) for key in ("text", "expected"))
    prefix, suffix = text.split("‸")
    engine = FakeEngine(
        case["answer"],
        sees_after=case.get("sees_after", True),
        stop=Stop.DEADLINE if case.get("deadline") else Stop.STABLE,
    )
    try:
        await asyncio.wrap_future(engine.ready)
        document = Document(
            "file:///case", prefix + suffix, language_id=language, path=case.get("path", "")
        )
        filled = await fill(
            engine,
            document.snapshot(),
            len(prefix),
            settings=Settings(),
            automatic=case.get("automatic", False),
            snippets=tuple(Snippet(text) for text in case.get("other_files", ())),
        )
    finally:
        engine.close()
    assert [each.text for each in filled.suggestions] == ([expected] if expected else [])
    assert all(each.start == each.end == len(prefix) for each in filled.suggestions)
    assert bool(filled.silence) == (not expected)
    before, after = broken(language, prefix + suffix), broken(language, prefix + expected + suffix)
    assert after <= before, "a fill leaves no more errors than it found"


def native(text: str, case: dict[str, Any]) -> str:
    return text.replace("\n", "\r\n") if case.get("newline") == "crlf" else text


def broken(language: str, text: str) -> int:
    tree = parse(language, text) if language in GRAMMARS else None
    return errors(tree, 0, len(text)) if tree is not None else 0


def test_the_cases_cover_what_goes_wrong() -> None:
    languages = Counter(name.partition("/")[0] for name in CASES)
    tags = Counter(tag for case in CASES.values() for tag in case.get("tags", ()))
    assert sum(languages.values()) >= 120
    assert sum(count >= 5 for count in languages.values()) >= 10, languages
    assert tags.keys() == TAGS
    assert all(count >= 4 for count in tags.values()), tags
    for kind in KINDS:
        spoken = {
            name.partition("/")[0] for name, case in CASES.items() if kind in case.get("tags", ())
        }
        assert len(spoken) >= 2, kind


def test_the_cases_say_nothing_that_is_not_read() -> None:
    for name, case in CASES.items():
        assert case.keys() <= KEYS, name
        assert case["text"].count("‸") == 1, name
        assert ("silent" in case.get("tags", ())) == (not case["expected"]), name
        crlf = case.get("newline") == "crlf"
        assert crlf == ("crlf" in case.get("tags", ())), name
