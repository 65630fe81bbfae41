"""The kernels at the published sizes, in bfloat16, against their plain twins in float32; then how long
they take. The table at the end of the run has both (`kernel_table`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from expect import foreseen, launches_of
from kernel_cases import PUBLISHED, TINY, cases
from kernel_table import KERNEL
from kernel_work import Case, Make, error_of
from rehearsal import REHEARSAL, SEED

from engine.bench.limits import Rates

pytestmark = pytest.mark.gpu
WARM_MS, MEASURED_MS = 5, 25


@pytest.mark.parametrize("case", cases(TINY if REHEARSAL else PUBLISHED), ids=str)
def test_a_kernel(
    case: Case,
    device: torch.device,
    rates: Rates,
    record_property: Callable[[str, object], None],
) -> None:
    make = Make(device, torch.float16 if device.type == "cpu" else torch.bfloat16, SEED)
    row: dict[str, object] = {"kernel": case.kernel, "shape": case.shape}
    record_property(KERNEL, row)
    work = case.make(make)
    # The interpreter cannot say what it would launch on a card.
    launches = 0 if REHEARSAL else launches_of(case)
    row |= foreseen(case, work, rates, launches)
    with torch.inference_mode():
        with poisoned(), interpreted():
            found = work.run()
        wait(device)
        wanted = work.twin()
        errors = [error_of(*pair) for pair in zip(found, wanted, strict=True)]
        row["error"] = max(errors)
        for error, near in zip(errors, work.near, strict=True):
            assert error <= near, f"seed {SEED}: {errors}"
        if not REHEARSAL:
            row["seconds"] = seconds(work.run)


@contextmanager
def interpreted() -> Iterator[None]:
    """Triton 3.6's interpreter wants a number where numpy 2.4 sees an array."""
    try:
        yield
    except Exception as error:
        if REHEARSAL and "only 0-dimensional arrays" in str(error):
            pytest.skip("this Triton's interpreter needs an older numpy: pip install 'numpy<2.4'")
        raise


@contextmanager
def poisoned() -> Iterator[None]:
    """Within it memory that nothing was written to yet holds NaN, or the largest number."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def seconds(run: Callable[[], object]) -> float:
    """The median, with nothing of the inputs in the card's cache."""
    from triton.testing import do_bench

    ms: float = do_bench(run, warmup=WARM_MS, rep=MEASURED_MS, return_mode="median")
    return ms / 1e3


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
