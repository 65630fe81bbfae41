"""The log of a training run, as numbers and as a picture.

It knows the log's lines (`Trainer.run` says what is in them), not the training. Drawing needs the
extra `train`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.request import EngineError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]

DENOISE, CAUSAL, RATE, SPEED = "#0b6e99", "#d97706", "#6b7280", "#15803d"
INCHES = (9.0, 8.0)


def read_log(path: Path) -> list[Row]:
    """The rows of a JSON-lines log, in the order of their steps.

    A run that was stopped and resumed may have logged some steps twice: the later line counts. Lines
    that a dying program has cut off are left out; a file without one good line is an EngineError.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise EngineError(
            f"Cannot read the training log {path}: {error.strerror}. Train first."
        ) from error
    rows: dict[tuple[int, bool], Row] = {}
    for line in lines:
        with suppress(ValueError, TypeError, KeyError):
            row = json.loads(line)
            rows[int(row["step"]), "loss" in row] = row
    if lines and not rows:
        raise EngineError(f"{path} is not a training log: no line has a step. Name another file.")
    return [rows[key] for key in sorted(rows)]


def draw(rows: Sequence[Row], picture: Path) -> None:
    """Losses, learning rate and speed over steps, as a PNG. EngineError when there is nothing to
    draw, it cannot be written, or matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EngineError(
            "Drawing curves needs matplotlib. Install it with: pip install 'infill-lsp[train]'"
        ) from error
    trained = [row for row in rows if "loss" in row]
    if not trained:
        raise EngineError("The training log has no steps yet, so there is nothing to draw.")
    figure = Figure(figsize=INCHES, layout="constrained")
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1, 1))
    for name, colour in (("denoise", DENOISE), ("causal", CAUSAL)):
        _line(above, trained, name, colour)
        dev = [row for row in rows if "dev" in row]
        above.plot(
            [row["step"] for row in dev],
            [row["dev"][name] for row in dev],
            color=colour,
            linestyle="none",
            marker="D",
            label=f"{name}, held out" if dev else None,
        )
    above.set_ylabel("loss, nats a token")
    above.legend(frameon=False)
    above.set_title(_title(trained[-1]), loc="left")
    middle.plot([row["step"] for row in trained], [row["lr"] for row in trained], color=RATE)
    middle.set_ylabel("learning rate")
    _line(below, trained, "tokens_per_second", SPEED)
    below.set_ylabel("tokens/s")
    below.set_ylim(bottom=0)
    below.set_xlabel("step")
    for panel in (above, middle, below):
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture, format="png", dpi=120)
    except OSError as error:
        raise EngineError(
            f"Cannot write {picture}: {error.strerror}. Choose another place for the picture."
        ) from error


def smoothed(values: Sequence[float], width: int) -> list[float]:
    """Mean of each value and up to `width` - 1 before it."""
    windows = (values[max(0, end - width) : end] for end in range(1, len(values) + 1))
    return [sum(window) / len(window) for window in windows]


def _line(panel: Axes, rows: Sequence[Row], name: str, colour: str) -> None:
    """Each step faintly, and over it a running mean of a fortieth of the run."""
    steps = [row["step"] for row in rows]
    values = [float(row[name]) for row in rows]
    panel.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
    mean = smoothed(values, max(1, len(values) // 40))
    panel.plot(steps, mean, color=colour, linewidth=1.8, label=name)


def _title(row: Row) -> str:
    return (
        f"{row['step'] + 1:,} steps, {row['tokens'] / 1e6:,.1f} million tokens, "
        f"{row['seconds'] / 60:,.1f} minutes"
    )
