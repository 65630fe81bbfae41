"""The options of `python -m engine.train`, which `infill-lsp train run` takes, too."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All that a run needs."""
    parser.add_argument(
        "corpus", type=Path, metavar="CORPUS", help="what `infill-lsp train data` made"
    )
    parser.add_argument("out", type=Path, metavar="DIR", help="checkpoint, log, curves and model")
    parser.add_argument("--minutes", type=float, help="stop after this time")
    parser.add_argument("--steps", type=positive, help="stop after so many, earlier runs included")
    parser.add_argument(
        "--save-every", type=float, default=300.0, metavar="SECONDS", help="between checkpoints"
    )
    parser.add_argument(
        "--model", default="bundled", help="where to start: a known model, or a folder"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches ahead")
    parser.add_argument("--linears", choices=("q4", "int8"), default="q4", help="how to store them")
    parser.add_argument(
        "--set",
        type=assignment,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change the recipe (see engine/train/recipe.py)",
    )


def assignment(text: str) -> tuple[str, str]:
    """`NAME=VALUE`, parted."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def positive(text: str) -> int:
    """A number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number
