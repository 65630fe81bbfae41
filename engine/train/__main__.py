"""`python -m engine.train`: start or resume training, then export the model, with the engine's own
dependencies only. `infill-lsp train run` then fills held-out gaps with it, too."""

from __future__ import annotations

import argparse
import sys

from engine.request import EngineError
from engine.train.arguments import add_arguments


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 3 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m engine.train", description=__doc__)
    add_arguments(parser)
    options = parser.parse_args(arguments)
    from engine.train import command

    try:
        folder = command.run(
            options.corpus,
            options.out,
            minutes=options.minutes,
            steps=options.steps,
            every=options.save_every,
            start=options.model,
            device=options.device,
            workers=options.workers,
            linears=options.linears,
            changes=dict(options.set),
        )
    except EngineError as error:
        print(f"engine.train: {error}", file=sys.stderr)
        return 3
    if folder is not None:
        print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
