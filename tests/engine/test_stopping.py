"""When a row is finished."""

from __future__ import annotations

import torch

from engine.stopping import nothing_masked, stable_and_confident


def test_stable_and_confident_row_by_row() -> None:
    previous = torch.tensor([[1, 2], [1, 2], [1, 2], [1, 2]])
    guess = torch.tensor([[1, 2], [1, 3], [1, 2], [1, 2]])
    entropy = torch.tensor([[0.0, 0.009], [0.0, 0.0], [0.0, 0.011], [0.005, 0.005]])
    # same and sure; changed; unsure in the mean; exactly at the bound
    done = stable_and_confident(guess, previous, entropy, stop_entropy=0.005)
    assert done.tolist() == [True, False, False, False]


def test_nothing_is_stable_in_the_first_step() -> None:
    guess = torch.tensor([[1, 2]])
    assert stable_and_confident(guess, None, torch.zeros(1, 2), 0.005).tolist() == [False]


def test_nothing_masked() -> None:
    assert nothing_masked(torch.tensor([[True, True], [True, False]])).tolist() == [True, False]
