"""Gaps in files that no training has seen: as programmers leave them, by kind and language.

Reads the `heldout-*.jsonl.xz` of a corpus; its syntactic spans were found when it was made. Which
gaps are drawn depends on the seed and the document alone, not on the order of files.
"""

from __future__ import annotations

import heapq
import lzma
import random
import re
from collections.abc import Iterable, Iterator
from itertools import count, zip_longest
from pathlib import Path

from tree_sitter import Tree

from infill_lsp.corpus.documents import Document
from infill_lsp.corpus.shards import read_documents
from infill_lsp.documents import parse
from infill_lsp.evaluation.case import Case, EvaluationError
from infill_lsp.grammars import GRAMMARS
from infill_lsp.syntax import in_comment, in_string

SPANS = ("statement", "block", "arguments", "value")
"""Kinds that the corpus has spans of."""
KINDS = ("rest-of-line", "line", *SPANS, "random")
TRIES = 8
"""Places looked at in one document before it is left without a gap of this kind."""
LONGEST_LINE = 200
LONGEST_RANDOM = 6.5
"""Random gaps have up to 2 to the power of this many characters, short ones as often as long."""
_LEXEME = re.compile(r"\w+|[^\w\s]")

Span = tuple[int, int]


def read(folder: Path) -> Iterator[Document]:
    """The corpus's held-out documents. EvaluationError when there are none or they are broken."""
    paths = sorted(folder.glob("heldout-*.jsonl.xz"))
    if not paths:
        raise EvaluationError(
            f"{folder} has no heldout-*.jsonl.xz. Give as --data the folder of a corpus."
        )
    for path in paths:
        try:
            yield from read_documents(path)
        except (OSError, EOFError, lzma.LZMAError, ValueError, TypeError) as error:
            raise EvaluationError(
                f"{path} is broken ({type(error).__name__}: {error}). Make the corpus again."
            ) from error


def cases(
    documents: Iterable[Document],
    *,
    seed: int,
    limit: int | None = None,
    language: str | None = None,
    kind: str | None = None,
) -> list[Case]:
    """At most one gap of each kind in each document; with `limit`, so many in all, spread evenly
    over languages and kinds. EvaluationError when nothing is left."""
    ties = count()
    strata: dict[tuple[str, str], list[tuple[float, int, Document, Span]]] = {}
    seen = set()
    for document in documents:
        seen.add(document.language)
        if language not in (None, document.language) or document.language not in GRAMMARS:
            continue
        for each, rank, span in gaps(document, seed, [kind] if kind else KINDS):
            stratum = strata.setdefault((document.language, each), [])
            entry = (-rank, next(ties), document, span)  # a heap whose top is the highest rank
            if limit is None or len(stratum) < limit:
                heapq.heappush(stratum, entry)
            else:
                heapq.heappushpop(stratum, entry)
    if not strata:
        wanted = " ".join(filter(None, (language, kind))) or "any kind"
        raise EvaluationError(
            f"the held-out files have no gap of {wanted}; their languages are "
            f"{', '.join(sorted(seen)) or 'none'}."
        )
    columns = [
        [_case(document, name[1], span) for _, _, document, span in sorted(entries, reverse=True)]
        for name, entries in sorted(strata.items())
    ]
    dealt = [case for row in zip_longest(*columns) for case in row if case is not None]
    return dealt[:limit]


def gaps(document: Document, seed: int, kinds: Iterable[str]) -> Iterator[tuple[str, float, Span]]:
    """A gap of each kind, where there is one, and a random rank to choose between documents."""
    tree = parse(document.language, document.text)
    if tree is None:
        return
    for kind in kinds:
        name = f"{document.package}/{document.path}/{len(document.text)}"
        source = random.Random(f"{seed}/{kind}/{name}")
        rank = source.random()
        for _ in range(TRIES):
            span = _draw(document, kind, source)
            if span is not None and _worth_asking(document, tree, span):
                yield kind, rank, span
                break


def _draw(document: Document, kind: str, source: random.Random) -> Span | None:
    text = document.text
    if kind in SPANS:
        spans = document.spans.get(kind)
        if not spans:
            return None
        start, end = source.choice(spans)
        return start, end
    at = source.randrange(len(text)) if text else 0
    if kind == "random":
        return at, min(at + round(2 ** source.uniform(0, LONGEST_RANDOM)), len(text))
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    line = text[start:end].rstrip()
    places = [found.start() for found in _LEXEME.finditer(line)]
    if not places or len(line) > LONGEST_LINE:
        return None
    if kind == "line":
        return start + places[0], start + len(line)
    return (start + source.choice(places[1:]), start + len(line)) if places[1:] else None


def _worth_asking(document: Document, tree: Tree, span: Span) -> bool:
    """Not in prose: what comes in a comment or a text, nobody can know."""
    start, end = span
    text, language = document.text, document.language
    if not text[start:end].strip():
        return False
    return not in_comment(tree, text, language, start + 1) and not in_string(
        tree, text, language, start
    )


def _case(document: Document, kind: str, span: Span) -> Case:
    start, end = span
    name = f"{document.package}/{document.path}"
    return Case(
        id=f"{name}:{start}-{end}:{kind}",
        prefix=document.text[:start],
        suffix=document.text[end:],
        middle=document.text[start:end],
        language=document.language,
        kind=kind,
        path=document.path,
        group=name,
    )
