"""What is measured, one figure at a time."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    form: str
    """Of the weights, or the name of the model that is measured as it comes."""
    measure: str
    context: int
    """Tokens of prompt."""
    batch: int
    """Variants in one forward."""
    value: float
    unit: str
    """`failed`: there is no figure, and `measure` says why."""
    limit: float | None = None
    """What bytes and operations allow, in the same unit. None: none was computed."""
    parts_ms: dict[str, float] | None = None
    """Of the limit, by part of a step."""
    slots: int = 0
    """Positions that are asked for in one forward, of each variant; 0: it makes no difference."""

    @property
    def reached(self) -> float | None:
        """Share of the limit that was reached, 0 to 1."""
        if self.limit is None:
            return None
        less_is_more = self.unit == "ms"
        return self.limit / self.value if less_is_more else self.value / self.limit


def failed(form: str, why: str) -> Row:
    """In the place of a figure that could not be measured."""
    return Row(form, f"left out: {why}", 0, 0, 0, "failed")


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def as_json(row: Row) -> dict[str, object]:
    """For a document."""
    return asdict(row) | {"reached": row.reached}
