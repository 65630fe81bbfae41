"""How close a text is to the one that stood there, and how sure an average is.

Pure functions of texts and numbers. Nothing here runs a program or asks a model.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence

from infill_lsp.evaluation.case import Answer, Case, Outcome
from infill_lsp.faults import syntax_errors

RESAMPLES = 1000
_LEXEME = re.compile(r"\w+|[^\w\s]")


def outcome(case: Case, answer: Answer, verdict: str | None = None, detail: str = "") -> Outcome:
    """Everything that can be said of an answer; `verdict` where its program was run."""
    return Outcome(
        id=case.id,
        language=case.language,
        kind=case.kind,
        group=case.group,
        text=answer.text,
        shown=answer.shown,
        silence=answer.silence,
        forwards=answer.forwards,
        tokens=answer.tokens,
        ms=answer.ms,
        exact=exact(answer.text, case.middle),
        edit_similarity=edit_similarity(answer.text, case.middle),
        parses=parses(case, answer.text),
        first_run=first_run(answer.text) == first_run(case.middle),
        confidence=answer.confidence,
        verdict=verdict,
        detail=detail,
    )


def exact(text: str, gold: str) -> bool:
    """Whether it is the text that stood there; white space at the end does not count."""
    return text.rstrip() == gold.rstrip()


def edit_similarity(text: str, gold: str) -> float:
    """1 for the same text, 0 for nothing in common: 1 - edits / length of the longer. White space
    at the end does not count."""
    text, gold = text.rstrip(), gold.rstrip()
    longest = max(len(text), len(gold))
    return 1 - distance(text, gold) / longest if longest else 1.0


def distance(a: str, b: str) -> int:
    """Levenshtein's distance in code points: fewest characters inserted, deleted or replaced.

    Hyyrö's bit-parallel algorithm: a column of the table of distances is two integers, whose bit i
    says that row i is one more (`rises`) or one less (`falls`) than the row above it.
    """
    if not a:
        return len(b)
    where: dict[str, int] = {}
    for at, letter in enumerate(a):
        where[letter] = where.get(letter, 0) | 1 << at
    full, last = (1 << len(a)) - 1, 1 << len(a) - 1
    rises, falls, result = full, 0, len(a)
    for letter in b:
        same = where.get(letter, 0)
        diagonal = (((same & rises) + rises) ^ rises) | same | falls
        up, down = falls | ~(diagonal | rises), rises & diagonal
        result += bool(up & last) - bool(down & last)
        up, down = up << 1 | 1, down << 1
        rises = (down | ~(diagonal | up)) & full
        falls = up & diagonal & full
    return result


def parses(case: Case, text: str) -> bool:
    """Whether the file has no more syntax errors with `text` in the gap than with what stood there.
    True where there is no grammar."""

    def wrong(middle: str) -> int:
        return syntax_errors(case.language, case.prefix + middle + case.suffix)

    return wrong(text) <= wrong(case.middle)


def first_run(text: str) -> tuple[str, ...]:
    """What a reader sees first: the tokens up to the first bracket, operator or other mark, dots
    between names included; at least one token. `self.total += 1` -> `self`, `.`, `total`."""
    lexemes = _LEXEME.findall(text)
    end = 1
    while end < len(lexemes) and _goes_on(lexemes[end - 1]) and _goes_on(lexemes[end]):
        end += 1
    return tuple(lexemes[:end])


def _goes_on(lexeme: str) -> bool:
    return lexeme == "." or lexeme[0].isalnum() or lexeme[0] == "_"


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return math.fsum(values) / len(values) if values else None


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of all are not above. None of nothing."""
    if not values:
        return None
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def interval(groups: Mapping[str, Sequence[float]], seed: int) -> tuple[float, float] | None:
    """Where the mean lies with 95 %: bootstrap, drawing whole groups, since the cases of one
    problem or document are alike. None of nothing."""
    sums = [(math.fsum(values), len(values)) for values in groups.values() if values]
    if not sums:
        return None
    source = random.Random(seed)
    means = []
    for _ in range(RESAMPLES):
        drawn = source.choices(sums, k=len(sums))
        means.append(math.fsum(total for total, _ in drawn) / sum(count for _, count in drawn))
    means.sort()
    return means[round(0.025 * RESAMPLES)], means[round(0.975 * RESAMPLES) - 1]


Pairs = Mapping[str, Sequence[tuple[float, float]]]
"""By group: how much, and of how much; or what something costs now, and what it cost before."""


def ratio(groups: Pairs) -> float | None:
    """Of the sums. None of nothing."""
    pairs = [pair for values in groups.values() for pair in values]
    whole = math.fsum(pair[1] for pair in pairs)
    return math.fsum(pair[0] for pair in pairs) / whole if whole else None


def ratio_interval(groups: Pairs, seed: int) -> tuple[float, float] | None:
    """Where `ratio` lies with 95 %, as `interval` finds it."""
    sums = [
        (math.fsum(part for part, _ in values), math.fsum(whole for _, whole in values))
        for values in groups.values()
    ]
    if not math.fsum(whole for _, whole in sums):
        return None
    source = random.Random(seed)
    ratios: list[float] = []
    while len(ratios) < RESAMPLES:
        drawn = source.choices(sums, k=len(sums))
        if whole := math.fsum(each for _, each in drawn):
            ratios.append(math.fsum(part for part, _ in drawn) / whole)
    ratios.sort()
    return ratios[round(0.025 * RESAMPLES)], ratios[round(0.975 * RESAMPLES) - 1]


def change(groups: Pairs) -> float | None:
    """Of the sums: -0.2 for a fifth less than before. None where nothing was before."""
    now = ratio(groups)
    return None if now is None else now - 1


def change_interval(groups: Pairs, seed: int) -> tuple[float, float] | None:
    """Where `change` lies with 95 %."""
    bounds = ratio_interval(groups, seed)
    return None if bounds is None else (bounds[0] - 1, bounds[1] - 1)


def rounded(value: float | None, digits: int = 4) -> float | None:
    """For a results file."""
    return None if value is None else round(value, digits)


def rounded_interval(bounds: tuple[float, float] | None) -> list[float] | None:
    """The same of an interval."""
    return None if bounds is None else [round(bound, 4) for bound in bounds]
