"""How the bundled model is trained: every choice has a name here, and a default that was measured.

The log of experiments in the README of this folder says what each choice is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

GAP_SHARES: Mapping[str, float] = {
    "rest_of_line": 0.19,
    "within_line": 0.10,
    "indented_line": 0.07,
    "line": 0.07,
    "lines": 0.08,
    "whole_line": 0.14,
    "whole_lines": 0.07,
    "statement": 0.04,
    "block": 0.04,
    "arguments": 0.06,
    "value": 0.04,
    "random": 0.08,
    "nothing": 0.02,
}
"""How often each kind of gap is tried (`gaps.KINDS`)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run. What is not here does not change the result."""

    seed: int = 0

    # examples
    row_tokens: int = 768
    """Tokens of one row: a document's window, and canvases after it."""
    shortest_window: int = 64
    longest_window: int = 256
    """Tokens of a document's window."""
    gap_shares: Mapping[str, float] = field(default_factory=lambda: dict(GAP_SHARES))
    several_gaps: float = 0.08
    """Share of canvases with two gaps."""
    other_canvas: float = 0.15
    """Share of canvases of another size than a request of that kind gets."""
    other_anchors: float = 0.2
    """Share of canvases with another number of anchored tokens, 0 to 16 a side."""
    far_suffix: float = 0.0
    """Share of rows whose prompt has the text after the gap before the text that precedes it."""
    snippets: float = 0.0
    """Share of rows whose prompt has lines of another file of the same folder."""
    paths: float = 0.0
    """Share of rows whose prompt begins with the file's path, or in some of them its language."""

    # order and noise
    from_left: float = 0.85
    """Share of canvases that are filled from left to right; the others in any order, from noise."""
    all_noise: float = 0.3
    """Share of those others that start from nothing, as every fill does; the rest loses a random
    share of its slots."""
    wrong: float = 0.08
    """Share of their visible slots that show a random token, so that mistakes are noticed."""

    # loss
    causal_weight: float = 0.3
    causal_share: float = 0.15
    """Weight of the next-token loss on the window, and share of its tokens it is computed for."""
    visible_weight: float = 0.1
    """Weight of a slot that shows its right token, against 1 for one that does not."""
    delete_weight: float = 0.1
    """Weight of a slot that is to be deleted, against 1 for one with text."""

    # optimisation
    adapter_rank: int = 32
    """Of adapters beside weights that stay; 0: all weights are trained, at a tenth of the rate."""
    rows: int = 2
    """Rows in one step, over all devices."""
    learning_rate: float = 1.5e-3
    warmup_steps: int = 20
    decay_share: float = 0.8
    """Share of the whole run at whose end the rate falls to a tenth, linearly."""
    weight_decay: float = 0.01
    momentum: tuple[float, float] = (0.9, 0.98)
    muon: bool = False
    """Muon for the layers' matrices, AdamW for all else; otherwise AdamW for everything."""
    clip: float = 1.0
    """Largest norm of the gradient."""

    def rate_at(self, step: int, done: float) -> float:
        """The learning rate of `step` (from 0), when the share `done` (0 to 1) of the run is over."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        left = min(1.0, (1.0 - done) / self.decay_share) if self.decay_share else 1.0
        return self.learning_rate * warm * (0.1 + 0.9 * left)

    def to_json(self) -> dict[str, object]:
        return asdict(self)
