"""What a run came to: one object for programs, a table for people.

Pure: outcomes in, numbers out. A share is from 0 to 1; None where there was nothing to count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from rich.table import Table

from infill_lsp.evaluation.case import Outcome
from infill_lsp.evaluation.scores import interval, mean, quantile, rounded, rounded_interval

Numbers = dict[str, object]
Summary = Callable[[Sequence[Outcome], int], Numbers]
"""All scores of some outcomes; the number is the seed of their interval."""

_COLUMNS = (
    ("cases", "cases"),
    ("pass@1", "pass_at_1"),
    ("95 %", "interval"),
    ("fits", "fits"),
    ("differ", "differ"),
    ("exact", "exact"),
    ("similar", "edit_similarity"),
    ("parses", "parses"),
    ("first run", "first_run"),
    ("shown", "shown"),
    ("forwards", "forwards"),
    ("tok/fwd", "tokens_per_forward"),
    ("ms p50", "ms_p50"),
    ("ms p95", "ms_p95"),
)


def summary(outcomes: Sequence[Outcome], seed: int) -> Numbers:
    """All scores of these outcomes.

    interval: of `pass_at_1` where programs were run, else of `exact`; 95 %, by groups.
    exact, edit_similarity, pass_at_1: a case for which nothing is shown counts as the empty text.
    parses, first_run: of what is shown. tokens_per_forward: tokens shown by forwards run for them.
    """
    ran = any(each.verdict is not None for each in outcomes)
    judged: Callable[[Outcome], bool] = _passed if ran else _exact
    groups: dict[str, list[float]] = defaultdict(list)
    for each in outcomes:
        groups[each.group].append(judged(each))
    shown = [each for each in outcomes if each.shown]
    forwards = sum(each.forwards for each in shown)
    times = [each.ms for each in outcomes]
    return {
        "cases": len(outcomes),
        "pass_at_1": _share(map(_passed, outcomes)) if ran else None,
        "interval": rounded_interval(interval(groups, seed)),
        "exact": _share(map(_exact, outcomes)),
        "edit_similarity": rounded(mean([each.edit_similarity for each in outcomes])),
        "parses": _share(each.parses for each in shown),
        "first_run": _share(each.first_run for each in shown),
        "shown": _share(each.shown for each in outcomes),
        "forwards": rounded(mean([each.forwards for each in outcomes]), 2),
        "tokens_per_forward": rounded(sum(each.tokens for each in shown) / forwards, 3)
        if forwards
        else None,
        "ms_p50": rounded(quantile(times, 0.5), 1),
        "ms_p95": rounded(quantile(times, 0.95), 1),
    }


def summary_of_pairs(outcomes: Sequence[Outcome], seed: int) -> Numbers:
    """The scores of gaps that come in pairs, each pair a group: `summary`, but for these.

    cases: pairs. pass_at_1, interval: pairs where both fills fit. fits: single gaps whose fill
    does. differ: pairs with two fills shown that are not the same. exact: the first accepted fill.
    """
    pairs: dict[str, list[Outcome]] = defaultdict(list)
    for each in outcomes:
        pairs[each.group].append(each)
    both = {name: [float(all(map(_passed, pair)))] for name, pair in pairs.items()}
    return {
        **summary(outcomes, seed),
        "cases": len(pairs),
        "pass_at_1": rounded(mean([passed for (passed,) in both.values()])),
        "interval": rounded_interval(interval(both, seed)),
        "fits": _share(map(_passed, outcomes)),
        "differ": _share(map(_differ, pairs.values())),
    }


def breakdown(outcomes: Sequence[Outcome], seed: int, summary: Summary = summary) -> list[Numbers]:
    """The scores for each language and kind, and for each kind in all languages where those are
    several (`language` is then `all`)."""
    parts: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    several = len({each.language for each in outcomes}) > 1
    for each in outcomes:
        parts[each.kind, each.language].append(each)
        if several:
            parts[each.kind, "all"].append(each)
    return [
        {"kind": kind, "language": language, **summary(part, seed)}
        for (kind, language), part in sorted(parts.items())
    ]


def reasons(outcomes: Sequence[Outcome]) -> Numbers:
    """How many cases stayed silent, or failed, for which reason."""
    verdicts = Counter(each.verdict for each in outcomes if each.verdict is not None)
    silences = Counter(each.silence for each in outcomes if each.silence is not None)
    return {"verdicts": dict(verdicts.most_common()), "silences": dict(silences.most_common())}


def table(parts: Sequence[Numbers]) -> Table:
    """A row for each part; columns without any value are left out."""
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("kind", no_wrap=True)
    drawn.add_column("language", no_wrap=True)
    columns = [
        (title, name)
        for title, name in _COLUMNS
        if any(part.get(name) is not None for part in parts)
    ]
    for title, _ in columns:
        drawn.add_column(title, justify="right", no_wrap=True)
    for part in parts:
        cells = [_cell(name, part[name]) for _, name in columns]
        drawn.add_row(str(part["kind"]), str(part["language"]), *cells)
    return drawn


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "{:.1%}–{:.1%}".format(*value)
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, float)
    if name.startswith("ms_"):
        return f"{value:,.0f}"
    return f"{value:.2f}" if name in ("forwards", "tokens_per_forward") else f"{value:.1%}"


def _passed(outcome: Outcome) -> bool:
    return outcome.passed


def _exact(outcome: Outcome) -> bool:
    return outcome.exact


def _differ(pair: Sequence[Outcome]) -> bool:
    shown = {each.text.strip() for each in pair if each.shown}
    return len(shown) == 2


def _share(values: Iterable[bool]) -> float | None:
    return rounded(mean(list(values)))
