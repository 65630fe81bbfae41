"""`python -m engine.bench`: the suite, with the engine's own dependencies only."""

from __future__ import annotations

import argparse
import sys

from engine.bench.arguments import add_arguments
from engine.request import EngineError


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 3 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--device", default="cuda", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--model", default="bundled", help="the small model: a known one, or a folder"
    )
    parser.add_argument("--json", action="store_true", help="no tables, one JSON object")
    options = parser.parse_args(arguments)
    from engine.bench import command

    try:
        document = command.run(
            device=options.device,
            shape=options.shape,
            short=options.short,
            repeats=options.repeats,
            model=options.model,
            out=options.out,
            tables=not options.json,
        )
    except EngineError as error:
        print(f"engine.bench: {error}", file=sys.stderr)
        return 3
    if options.json:
        print(document.read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
