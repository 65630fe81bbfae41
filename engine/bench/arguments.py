"""The options of `python -m engine.bench`, which `infill-lsp bench --suite cuda` takes, too."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those that say how much is measured, and where figures go."""
    parser.add_argument(
        "--repeats", type=positive, default=9, metavar="N", help="runs behind each median"
    )
    parser.add_argument(
        "--shape", choices=("real", "tiny"), default="real", help="of the cuda suite's model"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="of the cuda suite each figure once that a bar is made of, within 150 seconds",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("bench"), metavar="DIR", help="of the cuda suite's files"
    )


def positive(text: str) -> int:
    """A number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number
