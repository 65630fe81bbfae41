"""What other files are worth: the same gaps after prompts with and without each source.

Packages of a corpus that no training has seen are written to disk as workspaces, indexed, and asked
as an editor would ask. `recent` is simulated, since a package has no history: regions of files in
the same folder, drawn at random.
"""

from __future__ import annotations

import math
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath

from engine import InfillRequest, Snippet
from infill_lsp.context import gather
from infill_lsp.corpus.documents import Document as Text
from infill_lsp.documents import Document
from infill_lsp.evaluation.case import EvaluationError
from infill_lsp.evaluation.heldout import gaps
from infill_lsp.evaluation.scores import change, change_interval, interval
from infill_lsp.project.assembly import DEFAULT_SOURCES, SOURCES
from infill_lsp.project.modules import READERS
from infill_lsp.project.project import Project
from infill_lsp.project.ring import region_around
from infill_lsp.project.sources import FEW_PLACES, question

LOCAL, ALL, DEFAULT = "local", "all", "default"
CONDITIONS: dict[str, tuple[str, ...]] = {
    LOCAL: (),
    **{source: (source,) for source in SOURCES},
    ALL: SOURCES,
    DEFAULT: DEFAULT_SOURCES,
}
"""What stands in the prompt besides the file itself."""
TRIES = 6
"""Gaps drawn in a document, until one names something that another file defines."""
RECENT = 3
_NAME = re.compile(r"[A-Za-z_]\w{3,}")
_USED = re.compile(r"\b[A-Z]\w{3,}\b|\b[a-z_]\w{3,}(?=\()|(?<=\.)[a-z_]\w{3,}")
"""A type, something called, or a member; any other word may be a local one."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One rest of a line, and a request for each condition."""

    package: str
    language: str
    text: str
    """What stood there."""
    names: frozenset[str]
    """Names in it that other files of the package define and this one does not."""
    requests: dict[str, InfillRequest]
    """By condition."""


def drawn(documents: Iterable[Text], *, seed: int, limit: int) -> list[Gap]:
    """`limit` gaps, each with a name from another file: one of each package, then another of each.
    So fewer gaps are the first of more. EvaluationError where there are none."""
    packages: dict[str, list[Text]] = defaultdict(list)
    for document in documents:
        if document.language in READERS:
            packages[document.package].append(document)
    names = sorted(name for name, texts in packages.items() if len(texts) > 1)
    random.Random(seed).shuffle(names)
    if not names:
        raise EvaluationError("no held-out package has two files. Give another corpus as --data.")
    each = -(-limit // len(names))
    columns = [list(_gaps_of(name, packages[name], seed, each)) for name in names]
    dealt = [gap for row in zip_longest(*columns) for gap in row if gap is not None]
    return dealt[:limit]


def _gaps_of(package: str, texts: Sequence[Text], seed: int, most: int) -> Iterator[Gap]:
    source = random.Random(f"{seed}/{package}")
    whole: dict[str, str] = defaultdict(str)
    for text in texts:  # a long file is several documents
        whole[text.path] += text.text
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path, content in whole.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content, "utf-8", newline="")
        project = Project(root, packages=())
        while project.work():
            pass
        found = 0
        for text in source.sample(texts, len(texts)):
            if found == most:
                return
            gap = _gap(project, text, whole, seed, source)
            if gap is not None:
                found += 1
                yield gap


def _gap(
    project: Project, text: Text, whole: dict[str, str], seed: int, source: random.Random
) -> Gap | None:
    """A gap of one document, and the requests for it; None when no try names another file's."""
    own = {symbol.name for symbol in project.index.symbols(text.path)}
    for attempt in range(TRIES):
        for _, _, (start, end) in gaps(text, seed * TRIES + attempt, ["rest-of-line"]):
            words = set(_USED.findall(text.text[start:end])) - own
            names = frozenset(
                word
                for word in words
                if any(each.path != text.path for each in project.index.defined(word, FEW_PLACES))
            )
            if names:
                return _asked(project, text, start, end, names, whole, source)
    return None


def _asked(
    project: Project,
    text: Text,
    start: int,
    end: int,
    names: frozenset[str],
    whole: dict[str, str],
    source: random.Random,
) -> Gap:
    document = Document("file:///x", text.text[:start] + text.text[end:], path=text.path)
    context = gather(document.snapshot(), start)
    for path in _neighbours(text.path, whole, source):
        line = source.randrange(whole[path].count("\n") + 1)
        project.remember(path, *region_around(whole[path], line))
    requests = {}
    for name, sources in CONDITIONS.items():
        snippets: tuple[Snippet, ...] = ()
        if sources:
            snippets = project.answer(question(context), sources).snippets
        requests[name] = InfillRequest(
            context.prefix, context.suffix, path=text.path, language=text.language,
            snippets=snippets, single_line=True,
        )  # fmt: skip
    for path in whole:
        project.ring.forget(path)
    return Gap(text.package, text.language, text.text[start:end], names, requests)


def _neighbours(path: str, whole: dict[str, str], source: random.Random) -> list[str]:
    """A few other files, of the same folder where it has enough."""
    folder = PurePosixPath(path).parent
    others = [each for each in sorted(whole) if each != path]
    near = [each for each in others if PurePosixPath(each).parent == folder]
    far = [each for each in others if each not in near]
    shuffled = chain(source.sample(near, len(near)), source.sample(far, min(len(far), RECENT)))
    return list(shuffled)[:RECENT]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model made of one gap's text under one condition."""

    nats: float
    """Surprise at the whole text."""
    tokens: int
    name_nats: float
    """Surprise at the tokens of names from other files."""
    exact: bool
    """Every token was the model's own first choice, so it would have said the text itself."""


def reading(tokens: Sequence[tuple[str, float, bool]], names: frozenset[str]) -> Reading:
    """Sum up tokens (text, nats, first choice): which of them belong to `names`?"""
    text = "".join(token for token, _, _ in tokens)
    spans = [found.span() for found in _NAME.finditer(text) if found[0] in names]
    at, of_names = 0, 0.0
    for token, nats, _ in tokens:
        begin = at + len(token) - len(token.lstrip())
        at += len(token)
        if any(start < at and begin < end for start, end in spans):
            of_names += nats
    return Reading(
        nats=math.fsum(nats for _, nats, _ in tokens),
        tokens=len(tokens),
        name_nats=of_names,
        exact=all(first for _, _, first in tokens),
    )


def summary(
    readings: Sequence[tuple[str, dict[str, Reading]]], seed: int
) -> list[dict[str, object]]:
    """A row for each condition. readings: for each gap its package and what came of each condition.

    loss: nats a token. loss_change, names_change: of the sums, against `local`, with 95 % by
    packages; below 0 is better. exact: share.
    """
    rows: list[dict[str, object]] = []
    for condition in CONDITIONS:
        losses: dict[str, list[tuple[float, float]]] = defaultdict(list)
        names: dict[str, list[tuple[float, float]]] = defaultdict(list)
        exact: dict[str, list[float]] = defaultdict(list)
        for package, by_condition in readings:
            here, local = by_condition[condition], by_condition[LOCAL]
            losses[package].append((here.nats, local.nats))
            names[package].append((here.name_nats, local.name_nats))
            exact[package].append(here.exact)
        everything = [each[condition] for _, each in readings]
        tokens = sum(each.tokens for each in everything)
        rows.append(
            {
                "condition": condition,
                "gaps": len(everything),
                "loss": math.fsum(each.nats for each in everything) / tokens,
                "loss_change": change(losses),
                "loss_interval": change_interval(losses, seed),
                "names_change": change(names),
                "names_interval": change_interval(names, seed),
                "exact": sum(each.exact for each in everything) / len(everything),
                "exact_interval": interval(exact, seed),
            }
        )
    return rows
