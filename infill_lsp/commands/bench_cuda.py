"""`infill-lsp bench --suite cuda`: what `python -m engine.bench` measures, under the product's name."""

from __future__ import annotations

from pathlib import Path

from engine.bench import command


def run(
    *, device: str, shape: str, short: bool, repeats: int, model: str, out: Path, as_json: bool
) -> int:
    """See `engine.bench.command.run`. Prints the document after the tables."""
    document = command.run(
        device=device,
        shape=shape,
        short=short,
        repeats=repeats,
        model=model,
        out=out,
        tables=not as_json,
    )
    print(document.read_text(encoding="utf-8"), end="")
    return 0
