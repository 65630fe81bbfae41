"""Gaps in held-out documents: where they lie, and that they are drawn the same each time."""

from __future__ import annotations

import lzma
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.corpus.documents import Document
from infill_lsp.evaluation import heldout
from infill_lsp.evaluation.case import EvaluationError


@pytest.fixture(scope="session")
def many(documents: list[Document]) -> list[Document]:
    """The Python file, forty times."""
    return [replace(documents[0], path=f"{number}/prices.py") for number in range(40)]


def test_a_corpus_is_read(corpus: Path, documents: list[Document]) -> None:
    assert list(heldout.read(corpus)) == documents


@given(st.integers(0, 300))
def test_a_gap_and_its_surroundings_are_the_document(documents: list[Document], seed: int) -> None:
    texts = {document.path: document.text for document in documents}
    found = heldout.cases(documents, seed=seed)
    for case in found:
        assert case.prefix + case.middle + case.suffix == texts[case.path]
        assert case.middle.strip()
        last = case.prefix.rpartition("\n")[2]
        assert "#" not in last, "a gap in a comment"
        if case.kind == "line":
            assert not last.strip()
            assert re.match(r"\S.*\S?\Z", case.middle)
            assert case.suffix.startswith("\n")
        elif case.kind == "rest-of-line":
            assert last.strip()
            assert case.suffix.startswith("\n")
            assert "\n" not in case.middle
            assert not (last[-1].isalnum() and case.middle[0].isalnum()), "a cut in a word"
        elif case.kind in heldout.SPANS:
            spans = next(each.spans for each in documents if each.path == case.path)
            assert [len(case.prefix), len(case.prefix) + len(case.middle)] in spans[case.kind]
    assert len({case.id for case in found}) == len(found)


def test_every_kind_is_found_somewhere(documents: list[Document]) -> None:
    kinds = {
        (case.language, case.kind)
        for seed in range(20)
        for case in heldout.cases(documents, seed=seed)
    }
    assert {kind for _, kind in kinds} == set(heldout.KINDS) - {"statement"}
    assert ("json", "value") in kinds
    assert ("python", "block") in kinds


@given(st.randoms(use_true_random=False), st.integers(0, 99), st.none() | st.integers(1, 30))
def test_the_draw_does_not_depend_on_the_order_of_documents(
    many: list[Document], source: random.Random, seed: int, limit: int | None
) -> None:
    documents = many[:10]

    def drawn(documents: list[Document]) -> set[str]:
        return {case.id for case in heldout.cases(documents, seed=seed, limit=limit)}

    shuffled = source.sample(documents, len(documents))
    assert drawn(shuffled) == drawn(documents)


def test_a_limit_draws_from_all_documents_evenly_over_kinds(many: list[Document]) -> None:
    found = heldout.cases(many, seed=1, limit=50)
    assert len(found) == 50
    counts = {kind: sum(case.kind == kind for case in found) for kind in heldout.KINDS}
    present = [count for count in counts.values() if count]
    assert len(present) == 5
    assert max(present) - min(present) <= 1
    assert len({case.group for case in found}) > 20
    assert {case.id for case in found} != {
        case.id for case in heldout.cases(many, seed=2, limit=50)
    }


def test_a_smaller_limit_draws_from_the_larger_ones_gaps(many: list[Document]) -> None:
    few = {case.id for case in heldout.cases(many, seed=1, limit=10)}
    assert few < {case.id for case in heldout.cases(many, seed=1, limit=50)}


def test_language_and_kind_are_chosen(documents: list[Document]) -> None:
    found = heldout.cases(documents, seed=0, language="json", kind="value")
    assert [(case.language, case.kind) for case in found] == [("json", "value")]
    assert found[0].middle in ("8080", '"shop"')


def test_what_is_not_there_is_named(documents: list[Document]) -> None:
    with pytest.raises(EvaluationError, match=r"no gap of cobol value.*json, python"):
        heldout.cases(documents, seed=0, language="cobol", kind="value")
    with pytest.raises(EvaluationError, match="their languages are none"):
        heldout.cases([], seed=0)


def test_prose_and_white_space_are_not_asked_for() -> None:
    prose = Document(
        "a.py", "a", "MIT", "python", '"""One\n\ntwo three four\n"""\n# five six\n\n\n'
    )
    for seed in range(30):
        for _, _, (start, end) in heldout.gaps(prose, seed, heldout.KINDS):
            assert prose.text[start:end].strip()
            assert start == 0 or prose.text[:start].count('"""') != 1


def test_an_empty_document_has_no_gaps() -> None:
    assert list(heldout.gaps(Document("a.py", "a", "MIT", "python", ""), 0, heldout.KINDS)) == []


def test_a_folder_without_held_out_files(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"no heldout-\*"):
        list(heldout.read(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        b"plain",
        lzma.compress(b"not json\n"),
        lzma.compress(b'{"path": "x"}\n'),
        lzma.compress(bytes(9000))[:-30],
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "heldout-00000.jsonl.xz").write_bytes(content)
    with pytest.raises(EvaluationError, match=r"heldout-00000\.jsonl\.xz is broken"):
        list(heldout.read(tmp_path))
