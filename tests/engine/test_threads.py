"""Threads follow the cores that others leave idle, never the process's own work."""

from __future__ import annotations

import pytest

from engine.threads import MOST_THREADS, SpareCores


def spare_cores(cores: int) -> SpareCores:
    spare = SpareCores(most=cores)
    spare._cores = cores
    spare._seen = (0.0, 0.0, 0.0)
    return spare


@pytest.mark.parametrize(
    ("cores", "others", "threads"),
    [(2, 0.0, 2), (2, 0.3, 2), (2, 0.9, 1), (2, 2.0, 1), (4, 1.1, 3), (64, 0.0, MOST_THREADS)],
)
@pytest.mark.parametrize("own", [0.0, 1.5])
def test_a_thread_for_each_core_that_others_leave_idle(
    monkeypatch: pytest.MonkeyPatch, cores: int, others: float, threads: int, own: float
) -> None:
    spare = spare_cores(cores)
    monkeypatch.setattr(spare, "_look", lambda: (2.0, 2 * (others + own), 2 * own))
    assert spare.count() == threads


def test_questions_in_quick_succession_get_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    spare = spare_cores(2)
    monkeypatch.setattr(spare, "_look", lambda: (0.01, 0.02, 0.0))
    assert spare.count() == 2


def test_counters_of_this_machine_can_be_read() -> None:
    now, busy, own = SpareCores(most=1)._look()
    assert now > 0
    assert busy > own > 0
