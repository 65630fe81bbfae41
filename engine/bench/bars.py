"""The few figures that all others are there to explain, and what they are meant to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.bench.figures import Row
from engine.bench.shapes import Size

Verdict = Literal["aim", "floor", "missed", ""]


@dataclass(frozen=True, slots=True)
class Bar:
    """One of them."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    """The least that is accepted. None: it is only measured."""
    aim: float | None = None
    """What is hoped for."""

    @property
    def met(self) -> Verdict:
        """The harder of the two that is reached; of a rate more is better, of all else less."""
        if self.floor is None or self.aim is None:
            return ""
        sign = 1 if self.unit in ("tokens/s", "× faster") else -1
        if sign * self.value >= sign * self.aim:
            return "aim"
        return "floor" if sign * self.value >= sign * self.floor else "missed"


SPEED = {
    ("fp8", "H100"): (600.0, 1500.0),
    ("fp8", "H200"): (750.0, 1900.0),
    ("int4", "H100"): (700.0, 2200.0),
    ("int4", "H200"): (850.0, 2800.0),
}
"""Tokens a second of a whole canvas for one variant, on the cards of which others report."""
STEP, KEY, VARIANTS, TRANSFORMERS = (2.5, 1.3), (1.5, 1.15), (3.0, 1.6), (2.0, 4.0)
LINE = (60.0, 20.0)
"""Floors and aims on any card; milliseconds of the last."""


def bars(rows: Sequence[Row], size: Size, device: str) -> list[Bar]:
    """Those that `rows` suffice for. device: its name."""
    card = next((name for name in ("H100", "H200") if name in device), "")
    return [
        bar
        for form in dict.fromkeys(row.form for row in rows)
        for bar in _of([row for row in rows if row.form == form], form, size, card)
    ]


def _of(own: list[Row], form: str, size: Size, card: str) -> Iterator[Bar]:
    """Of one form."""
    canvases = {row.batch: row.value for row in own if row.measure.startswith("a canvas at")}
    if 1 in canvases:
        goal = SPEED.get((form, card), (None, None))
        yield Bar(f"{form}: a canvas", canvases[1], "tokens/s", *goal)
    if len(canvases) > 1:
        most = max(canvases)
        ratio = canvases[1] / canvases[most] * most
        yield Bar(f"{form}: {most} variants over one", ratio, "×", *VARIANTS)
    steps = [row for row in own if row.measure == "a step" and row.batch == 1]
    usual = {row.slots: row for row in steps if row.context == size.usual}
    step = usual.get(size.canvas)
    if step is not None and step.limit is not None:
        yield Bar(f"{form}: a step over its limit", step.value / step.limit, "×", *STEP)
    for slots, row in sorted(usual.items()):
        if step is not None and slots != size.canvas:
            name = f"{form}: a step of {slots} over one of {size.canvas}"
            yield Bar(name, row.value / step.value, "×")
    keys = {row.context: row.value for row in own if row.measure.startswith("a warm key")}
    if size.near in keys and len(keys) > 1:
        far = max(keys)
        name = f"{form}: a warm key at {far} over {size.near}"
        yield Bar(name, keys[far] / keys[size.near], "×", *KEY)
    for row in own:
        if row.measure == "transformers: a step" and step is not None:
            name = f"{form}: against transformers"
            yield Bar(name, row.value / step.value, "× faster", *TRANSFORMERS)
        if row.measure == "rest of a line" and row.batch == 1:
            yield Bar(f"{form}: rest of a line", row.value, "ms", *LINE)
    held = {row.measure: row.value for row in own if row.unit == "GB"}
    if {"weights", "cache of the longest prompt"} <= set(held):
        whole = held["weights"] + held["cache of the longest prompt"]
        yield Bar(f"{form}: weights and cache", whole, "GB")
