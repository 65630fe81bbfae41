"""The model card: where a model comes from, how it was trained, and what it is worth.

Every number in it is read from a file that a tool has written; people write only the texts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from safetensors import safe_open

from engine.models.weights import read_config
from engine.request import EngineError
from engine.train.curves import Row, read_log
from engine.train.storage_loss import StorageLoss, from_json

Line = tuple[str, str]

CURVES = "curves.png"
"""In the exported folder."""
MISSING = "–"
SCORES = {
    "pass_at_1": "pass@1",
    "interval": "95 % interval",
    "exact": "exact",
    "edit_similarity": "similar",
    "parses": "parses",
    "shown": "shown",
    "forwards": "forwards",
    "tokens_per_forward": "tokens a forward",
    "ms_p50": "ms p50",
    "ms_p95": "ms p95",
}
"""What `infill-lsp eval` prints, and headings for it."""
PART_SCORES = ("exact", "interval", "edit_similarity", "parses")
"""Those shown for each language and kind of gap."""
SHARES = {"pass_at_1", "interval", "exact", "edit_similarity", "parses", "shown"}


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Texts, and the files that hold the numbers."""

    title: str
    origin: str
    """Markdown: what the weights were before, who made them, under which licence."""
    device: str
    """What it was trained on."""
    weaknesses: str
    """Markdown: what it is known to do badly."""
    model: Path
    """The exported folder."""
    state: Path
    """`state.json` of the checkpoint that was exported."""
    log: Path
    """The training log."""
    manifest: Path
    """`manifest.json` of the corpus."""
    scores: Path | None = None
    """The JSON lines of `infill-lsp eval`, one for each suite and split."""
    storage: Path | None = None
    """`storage_loss.to_json`."""


def model_card(facts: CardFacts) -> str:
    """Markdown. EngineError names a file that is missing or holds something else."""
    sections = [f"# {facts.title}\n\n{facts.origin.strip()}", _model(facts.model)]
    with _naming(facts.log, "a training log"):
        progress = _progress(read_log(facts.log))
    with _naming(facts.state, "a checkpoint's state"):
        sections.append(_training(json.loads(_text(facts.state)), progress, facts.device))
    if (facts.model / CURVES).exists():
        sections.append(f"![Losses and rate by step]({CURVES})")
    with _naming(facts.manifest, "a corpus's manifest"):
        sections.append(_data(json.loads(_text(facts.manifest))))
    if facts.scores is not None:
        with _naming(facts.scores, "scores"):
            lines = _text(facts.scores).splitlines()
            sections.append(_scores([json.loads(line) for line in lines]))
    if facts.storage is not None:
        with _naming(facts.storage, "storage losses"):
            sections.append(_storage(from_json(_text(facts.storage))))
    sections.append(f"## Known weaknesses\n\n{facts.weaknesses.strip()}")
    return "\n\n".join(sections) + "\n"


@contextmanager
def _naming(path: Path, what: str) -> Iterator[None]:
    """Turn what a bad file leads to into an EngineError that names it."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"Cannot read {path} ({what}): {error.strerror}. Make it first."
        ) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise EngineError(f"{path} does not hold {what} ({error!r}). Make it anew.") from error


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _model(folder: Path) -> str:
    config = read_config(folder)
    spec = config.spec
    paths = sorted(folder.glob("*.safetensors"))
    names = {name for path in paths for name in _names(path)}
    linears = "4 bits in groups of 32" if any(name.endswith(".q4") for name in names) else "8 bits"
    sizes = [path.stat().st_size for path in paths]
    writes = "all positions of a canvas at once" if spec.order == "any" else "left to right"
    sees = "the text before the gap" if spec.reads_on else "the text on both sides of the gap"
    rows = [
        ("Licence", f"{spec.licence} (see `LICENSE`)"),
        ("Parameters", f"{config.parameters:,}"),
        (
            "Shape",
            f"{config.layers} layers, width {config.width}, {config.heads} heads sharing "
            f"{config.kv_heads} for keys and values, feed-forward {config.inner}, vocabulary "
            f"{spec.vocab_size:,}, context {spec.context_length:,}",
        ),
        ("Sees", sees),
        ("Writes", writes),
        ("Weights", f"linears {linears}, embedding 8 bits, norms float32"),
        ("Size", " + ".join(f"{size / 1e6:.1f} MB" for size in sizes)),
    ]
    return "## Model\n\n" + _table(("", ""), rows)


def _names(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def _training(state: Mapping[str, Any], progress: Sequence[Line], device: str) -> str:
    rows: list[Line] = [
        ("Device", device),
        ("Time", f"{state['seconds'] / 60:.1f} minutes"),
        ("Steps", f"{state['step']:,}"),
        ("Tokens", f"{state['tokens']:,}"),
        ("Positions in a loss", f"{state['positions']:,}"),
        *progress,
    ]
    recipe = [(name, f"`{json.dumps(value)}`") for name, value in state["recipe"].items()]
    return (
        "## Training\n\n"
        + _table(("", ""), rows)
        + "\n\nRecipe:\n\n"
        + _table(("choice", "value"), recipe)
    )


def _progress(log: Sequence[Row]) -> list[Line]:
    """What the log says about speed and losses."""
    lines: list[Line] = []
    if steps := [row for row in log if "loss" in row]:
        speed = median(row["tokens_per_second"] for row in steps)
        used = median(row["utilization"] for row in steps)
        lines.append(("Speed", f"{speed:,.0f} tokens/s, {used:.0%} of the device's bfloat16 peak"))
    if dev := [row for row in log if "dev" in row]:
        for word, row in (("first", dev[0]), ("last", dev[-1])):
            losses = ", ".join(f"{name} {value:.3f}" for name, value in row["dev"].items())
            at = f"(nats a token, step {row['step']:,})"
            lines.append((f"Held-out loss, {word}", f"{losses} {at}"))
    return lines


def _data(manifest: Mapping[str, Any]) -> str:
    train, heldout = manifest["train"], manifest["heldout"]
    kept = [row for row in manifest["packages"] if row["documents"]]
    totals = [
        (word, total["packages"], f"{total['documents']:,}", f"{total['bytes'] / 1e6:.1f}")
        for word, total in (("trained on", train), ("held out", heldout))
    ]
    languages = [
        (name, f"{size / 1e6:.1f}", f"{size / max(1, train['bytes']):.1%}")
        for name, size in train["languages"].items()
    ]
    licences = Counter(row["licence"] for row in kept)
    listed = ", ".join(
        f"{row['package']} {row['version']} ({row['licence']}"
        + (", held out)" if row["held_out"] else ")")
        for row in sorted(kept, key=lambda row: (row["held_out"], row["package"].lower()))
    )
    dropped = train["dropped"].get("benchmark", 0) + heldout["dropped"].get("benchmark", 0)
    return "\n\n".join(
        (
            "## Data",
            "Source files of published packages, permissive licences only. Packages that are held "
            f"out were never trained on. {dropped:,} files were left out because they hold a "
            f"problem of a benchmark ({manifest['benchmark_problem_runs']:,} runs of words were "
            "looked for).",
            _table(("", "packages", "files", "MB"), totals),
            _table(("language", "MB", "share"), languages),
            _table(("licence", "packages"), licences.most_common()),
            f"<details><summary>{len(kept):,} packages</summary>\n\n{listed}\n\n</details>",
        )
    )


def _scores(scores: Sequence[Mapping[str, Any]]) -> str:
    rows: list[Sequence[object]] = []
    parts: list[Sequence[object]] = []
    for score in scores:
        hidden = "what follows hidden" if score.get("without_suffix") else None
        typing = "while typing" if score.get("automatic") else None
        what = " ".join(filter(None, (score["suite"], score.get("split"), hidden, typing)))
        who = (what, score["model"])
        numbers = [_score(name, score.get(name)) for name in SCORES]
        rows.append((*who, score["cases"], *numbers, score["device"], score.get("commit")))
        for part in score.get("parts", ()):
            numbers = [_score(name, part.get(name)) for name in PART_SCORES]
            parts.append((*who, part["kind"], part["language"], part["cases"], *numbers))
    text = (
        "## Scores\n\nThe length of a gap is unknown to the model, always. A gap where nothing is "
        "shown counts as wrong.\n\n"
        + _table(("suite", "model", "cases", *SCORES.values(), "device", "commit"), rows)
    )
    if parts:
        named = (SCORES[name] for name in PART_SCORES)
        headings = ("suite", "model", "kind", "language", "cases", *named)
        text += "\n\n" + _table(headings, parts)
    return text


def _score(name: str, value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, list):
        return " to ".join(_score(name, each) for each in value)
    if name in SHARES:
        return f"{value:.1%}"
    return f"{value:.0f}" if name.startswith("ms_") else f"{value:.2f}"


def _storage(losses: Sequence[StorageLoss]) -> str:
    rows = [
        (
            each.name,
            f"{each.bytes / 1e6:.1f}",
            f"{each.next_token_loss:.4f}",
            f"{each.divergence:.4f}",
            f"{sum(each.weight_errors) / len(each.weight_errors):.2%}",
            f"{max(each.weight_errors):.2%} ({each.worst_layer})"
            if any(each.weight_errors)
            else "",
        )
        for each in losses
    ]
    headings = ("weights", "MB", "next-token loss", "divergence", "weight error", "worst layer")
    return (
        f"## What storing in few bits costs\n\nOver {losses[0].tokens:,} tokens; losses and divergence "
        "from the float model in nats a token.\n\n" + _table(headings, rows)
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown; the first column to the left, the others to the right where there are headings."""
    aligned = ["---", *("---:" if headings[-1] else "---" for _ in headings[1:])]
    lines = [headings, aligned, *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    return MISSING if value is None else str(value).replace("|", "\\|").replace("\n", " ")
