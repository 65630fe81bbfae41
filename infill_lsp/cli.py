"""The command line: one parser; each command is a file in `commands/`.

`infill-lsp` alone speaks LSP on its standard input and output. Errors are one line with the cure on
standard error. Exit codes: 0 done, 1 nothing to show or something is wrong (`doctor`), 2 the
command line or a file is wrong, 3 the engine cannot do it, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys

from engine import EngineConfig, EngineError
from infill_lsp.commands import CommandError
from infill_lsp.settings import Settings

EXAMPLES = """\
examples:
  infill-lsp                          speak LSP on stdin and stdout (what editors run)
  infill-lsp fill app.py:12:20        fill the gap at line 12, column 20, and show it
  infill-lsp fill app.py:12:5 --to 14:1 --variants 3 --json
  infill-lsp doctor                   what works here, what does not, and how to mend it
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
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
            )
        case "doctor":
            from infill_lsp.commands import doctor

            return doctor.run(_config(arguments), as_json=arguments.json)
        case "models":
            from infill_lsp.commands import models

            return models.run(as_json=arguments.json)
        case "bench":
            from infill_lsp.commands import bench

            return bench.run(_config(arguments), repeats=arguments.repeats, as_json=arguments.json)
        case _:
            from infill_lsp import transport

            if arguments.tcp is not None:
                return transport.serve_tcp(*_address(arguments.tcp))
            if arguments.ws is not None:
                return transport.serve_ws(*_address(arguments.ws))
            return transport.serve_stdio()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infill-lsp",
        description="A code-infilling language server with an in-process diffusion engine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = importlib.metadata.version("infill-lsp")
    parser.add_argument("--version", action="version", version=f"infill-lsp {version}")
    _add_transports(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    serve = commands.add_parser("serve", help="speak LSP (the default)")
    _add_transports(serve)

    fill = commands.add_parser("fill", help="fill one gap of a file and show it")
    fill.add_argument("target", metavar="FILE:LINE:COL", help="where the gap begins, from 1")
    fill.add_argument("--to", metavar="LINE:COL", help="where it ends; what is between is replaced")
    fill.add_argument("--variants", type=_positive, default=1, metavar="N", help="how many fills")
    fill.add_argument("--seed", type=int, default=0, help="the same seed gives the same variants")
    fill.add_argument(
        "--deadline", type=_positive, metavar="MS", help="show the best there is after this time"
    )
    fill.add_argument("--watch", action="store_true", help="draw the denoising, step by step")
    _add_engine(fill)

    doctor = commands.add_parser("doctor", help="what works here, and how to mend what does not")
    _add_engine(doctor)
    models = commands.add_parser("models", help="models that are known, and which are here")
    _add_json(models)
    bench = commands.add_parser("bench", help="measure this machine: a table, then one JSON line")
    bench.add_argument("--repeats", type=_positive, default=9, help="runs behind each median")
    _add_engine(bench)
    return parser


def _add_transports(parser: argparse.ArgumentParser) -> None:
    transport = parser.add_mutually_exclusive_group()
    transport.add_argument("--stdio", action="store_true", help="standard input and output")
    transport.add_argument(
        "--tcp", metavar="[HOST:]PORT", help="TCP, loopback unless HOST is given"
    )
    transport.add_argument("--ws", metavar="[HOST:]PORT", help="WebSocket, likewise")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    defaults = Settings()
    parser.add_argument("--model", default=defaults.model, help="a known model, or a folder")
    parser.add_argument("--device", default=defaults.device, help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=_positive, default=None, help="CPU threads for the model")
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def _config(arguments: argparse.Namespace) -> EngineConfig:
    # Nobody waits for a second request here, so nothing need grow in the background.
    return EngineConfig(
        model=arguments.model,
        device=arguments.device,
        threads=arguments.threads,
        background_prompt=False,
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise CommandError(f"{text!r} is not [HOST:]PORT, for example 127.0.0.1:8765")
    return host or "127.0.0.1", int(port)


def _fail(message: object, code: int) -> int:
    print(f"infill-lsp: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
