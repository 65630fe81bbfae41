"""The command line: `arguments.py` reads it, and each command is a file in `commands/`.

`infill-lsp` alone speaks LSP on its standard input and output. Errors are one line with the cure on
standard error. Exit codes: 0 done, 1 nothing to show or something is wrong (`doctor`), 2 the
command line or a file is wrong, 3 the engine cannot do it, 130 interrupted.
"""

from __future__ import annotations

from infill_lsp.isolation import ensure_home, standard_library_first

standard_library_first()  # before anything is imported that a project's own module could stand for

import argparse
import sys

from engine import EngineConfig, EngineError
from infill_lsp.arguments import parser
from infill_lsp.commands import CommandError


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    if (note := ensure_home()) is not None:
        print(f"infill-lsp: {note}", file=sys.stderr)
    arguments = parser().parse_args(argv)
    try:
        return int(_run(arguments))
    except CommandError as error:
        return _fail(error, 2)
    except EngineError as error:
        return _fail(error, 3)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:  # e.g. `| head`
        sys.stderr.close()
        return 1


def _run(arguments: argparse.Namespace) -> int:
    # Imported here, so that the server's start does not wait for what only a command needs.
    match arguments.command:
        case "fill":
            from infill_lsp.commands import fill

            return fill.run(
                fill.Target.parse(arguments.target, arguments.to),
                _config(arguments),
                variants=arguments.variants,
                seed=arguments.seed,
                deadline=arguments.deadline,
                as_json=arguments.json,
                watch=arguments.watch,
                explain=arguments.explain,
            )
        case "doctor":
            from infill_lsp.commands import doctor

            return doctor.run(_config(arguments), as_json=arguments.json)
        case "models":
            from infill_lsp.commands import models

            if arguments.part == "get":
                return models.get(arguments.name, as_json=arguments.json)
            return models.run(as_json=arguments.json)
        case "bench":
            if arguments.suite == "cuda":
                from infill_lsp.commands import bench_cuda

                return bench_cuda.run(
                    device="cuda" if arguments.device == "auto" else arguments.device,
                    shape=arguments.shape,
                    short=arguments.short,
                    repeats=arguments.repeats,
                    model=arguments.model,
                    out=arguments.out,
                    as_json=arguments.json,
                )
            from infill_lsp.commands import bench

            return bench.run(_config(arguments), repeats=arguments.repeats, as_json=arguments.json)
        case "eval":
            return _eval(arguments)
        case "stats":
            from infill_lsp.commands import stats

            return stats.run(as_json=arguments.json, png=arguments.png)
        case "train":
            return _train(arguments)
        case _:
            from infill_lsp.commands import serve

            return serve.run(arguments)


def _eval(arguments: argparse.Namespace) -> int:
    from infill_lsp.commands import evaluate

    data, config = evaluate.data_of(arguments.suite, arguments.data), _config(arguments)
    limit, seed, as_json = arguments.limit, arguments.seed, arguments.json
    if arguments.suite == "beginnings":
        from infill_lsp.commands import evaluate_beginnings

        return evaluate_beginnings.run(data, seed=seed, as_json=as_json)
    if arguments.suite == "places":
        from infill_lsp.commands import evaluate_places

        return evaluate_places.run(data, config, seed=seed, as_json=as_json)
    if arguments.suite == "context":
        from infill_lsp.commands import evaluate_context

        return evaluate_context.run(data, config, limit=limit, seed=seed, as_json=as_json)
    if arguments.suite == "holes":
        from infill_lsp.commands import evaluate_holes

        return evaluate_holes.run(
            data, config, seed=seed, limit=limit, deadline=arguments.deadline, as_json=as_json
        )
    if arguments.suite == "typing":
        from infill_lsp.commands import evaluate_typing

        return evaluate_typing.run(
            data,
            config,
            language=arguments.language,
            seed=seed,
            limit=limit,
            deadline=arguments.deadline,
            as_json=as_json,
        )
    suite = evaluate.Suite(
        arguments.suite,
        data,
        split=arguments.split,
        language=arguments.language,
        kind=arguments.kind,
        limit=limit,
        without_suffix=arguments.without_suffix,
        automatic=arguments.automatic,
    )
    return evaluate.run(
        suite,
        config,
        seed=seed,
        deadline=arguments.deadline,
        answers=arguments.answers,
        as_json=as_json,
    )


def _train(arguments: argparse.Namespace) -> int:
    if arguments.part == "data":
        from infill_lsp.commands import train_data

        return train_data.run(
            arguments.out,
            lists=arguments.lists,
            exclude=tuple(arguments.exclude),
            python_sources=tuple(arguments.python_sources),
            limit_packages=arguments.limit_packages,
        )
    from infill_lsp.commands import train_run

    return train_run.run(
        arguments.corpus,
        arguments.out,
        minutes=arguments.minutes,
        steps=arguments.steps,
        start=arguments.model,
        device=arguments.device,
        workers=arguments.workers,
        every=arguments.save_every,
        linears=arguments.linears,
        changes=dict(arguments.set),
        cases=arguments.cases,
    )


def _config(arguments: argparse.Namespace) -> EngineConfig:
    # Nobody waits for a second request here, so nothing need grow in the background.
    return EngineConfig(
        model=arguments.model,
        device=arguments.device,
        threads=arguments.threads,
        background_prompt=False,
    )


def _fail(message: object, code: int) -> int:
    print(f"infill-lsp: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
