"""What may stand on the command line: commands, their options, and a line on each."""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path

from engine.bench import arguments as bench_arguments
from engine.train import arguments as train_arguments
from infill_lsp.settings import Settings

EXAMPLES = """\
examples:
  infill-lsp                          speak LSP on stdin and stdout (what editors run)
  infill-lsp fill app.py:12:20        fill the gap at line 12, column 20, and show it
  infill-lsp fill app.py:12:5 --to 14:1 --variants 3 --json
  infill-lsp doctor                   what works here, what does not, and how to mend it
"""


def parser() -> argparse.ArgumentParser:
    """Reads `sys.argv`, or answers `--help`."""
    whole = argparse.ArgumentParser(
        prog="infill-lsp",
        description="A code-infilling language server with an in-process diffusion engine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = importlib.metadata.version("infill-lsp")
    whole.add_argument("--version", action="version", version=f"infill-lsp {version}")
    _add_transports(whole)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")

    serve = commands.add_parser("serve", help="speak LSP (the default)")
    _add_http(serve, _add_transports(serve))

    fill = commands.add_parser("fill", help="fill one gap of a file and show it")
    fill.add_argument("target", metavar="FILE:LINE:COL", help="where the gap begins, from 1")
    fill.add_argument("--to", metavar="LINE:COL", help="where it ends; what is between is replaced")
    fill.add_argument("--variants", type=_positive, default=1, metavar="N", help="how many fills")
    fill.add_argument("--seed", type=int, default=0, help="the same seed gives the same variants")
    fill.add_argument(
        "--deadline", type=_positive, metavar="MS", help="show the best there is after this time"
    )
    fill.add_argument(
        "--explain",
        action="store_true",
        help="read the other files too, and say which pieces of them went into the prompt",
    )
    fill.add_argument("--watch", action="store_true", help="draw the denoising, step by step")
    _add_engine(fill)

    doctor = commands.add_parser("doctor", help="what works here, and how to mend what does not")
    _add_engine(doctor)
    models = commands.add_parser("models", help="models that are known, and which are here")
    _add_json(models)
    get = models.add_subparsers(dest="part", metavar="PART").add_parser("get", help="fetch a model")
    get.add_argument("name", help="as `infill-lsp models` lists it")
    # Suppressed, or it would undo the one before `get`.
    get.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="progress, one object a line"
    )
    bench = commands.add_parser("bench", help="measure this machine: a table, then one JSON line")
    bench.add_argument(
        "--suite",
        choices=("product", "cuda"),
        default="product",
        help="what a user feels (the default), or DiffusionGemma against its GPU's limit",
    )
    bench_arguments.add_arguments(bench)
    _add_engine(bench, "bundled")  # a figure must not depend on what was fetched
    _add_eval(commands.add_parser("eval", help="how good the fills are, where the answer is known"))
    stats = commands.add_parser("stats", help="what became of the suggestions on this machine")
    stats.add_argument("--png", type=Path, metavar="FILE", help="draw it, too (needs matplotlib)")
    _add_json(stats)
    train = commands.add_parser("train", help="make a corpus, and a model out of it")
    _add_train(train.add_subparsers(dest="part", metavar="PART", required=True))
    return whole


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "suite",
        choices=(
            "humaneval-infilling",
            "heldout",
            "suffix-pairs",
            "holes",
            "context",
            "typing",
            "beginnings",
            "places",
        ),
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the benchmark, or a corpus; suffix-pairs and places have their own",
    )
    parser.add_argument("--split", help="single-line, multi-line or random-span (HumanEval)")
    parser.add_argument("--language", help="only this one (heldout, typing)")
    parser.add_argument("--kind", help="only this kind of gap (heldout)")
    parser.add_argument("--limit", type=_positive, metavar="N", help="so many cases, at random")
    parser.add_argument(
        "--without-suffix",
        action="store_true",
        help="hide what follows each gap, to see what it is worth",
    )
    parser.add_argument(
        "--automatic", action="store_true", help="ask as an editor does while somebody types"
    )
    parser.add_argument("--seed", type=int, default=0, help="of that draw")
    parser.add_argument("--deadline", type=_positive, metavar="MS", help="for each fill")
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="keep each answer; go on from there"
    )
    _add_engine(parser, "bundled")


def _add_train(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = parts.add_parser("data", help="fetch packages and pack their code")
    data.add_argument("out", type=Path, metavar="DIR", help="the corpus; goes on where it stopped")
    data.add_argument("--lists", type=Path, metavar="FILE", help="other packages than ours (TOML)")
    data.add_argument(
        "--exclude",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="benchmarks (.jsonl, .jsonl.gz) whose problems are kept out",
    )
    data.add_argument(
        "--python-sources",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of installed packages to read too",
    )
    data.add_argument(
        "--limit-packages",
        type=_positive,
        metavar="N",
        help="the first N to train on and N held out only",
    )

    run = parts.add_parser("run", help="start or resume training, then export the model")
    train_arguments.add_arguments(run)
    run.add_argument(
        "--cases",
        type=int,
        default=100,
        metavar="N",
        help="held-out gaps to fill at the end (0: none)",
    )


def _add_transports(
    parser: argparse.ArgumentParser,
) -> argparse._MutuallyExclusiveGroup:
    transport = parser.add_mutually_exclusive_group()
    transport.add_argument(
        "--stdio",
        action="store_true",
        help="standard input and output, through the server that windows share (the default)",
    )
    transport.add_argument(
        "--tcp", metavar="[HOST:]PORT", help="TCP on this machine's loopback address, with a token"
    )
    transport.add_argument("--ws", metavar="[HOST:]PORT", help="WebSocket, likewise")
    transport.add_argument(
        "--standalone",
        action="store_true",
        help="standard input and output, with a model of its own, not shared with other windows",
    )
    transport.add_argument(
        "--shared", type=Path, metavar="SOCKET", help="what windows start to share"
    )
    return transport


def _add_http(parser: argparse.ArgumentParser, transport: argparse._MutuallyExclusiveGroup) -> None:
    transport.add_argument(
        "--http",
        metavar="[HOST:]PORT",
        help="no LSP, but OpenAI's /v1/completions and llama.cpp's /infill, on loopback",
    )
    listening = parser.add_argument_group("with --tcp, --ws and --http")
    listening.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds the token that clients must send; else $INFILL_TOKEN, else a new one",
    )
    listening.add_argument(
        "--allow-origin",
        action="append",
        metavar="ORIGIN",
        help="with --ws: web pages of this origin may connect, e.g. http://localhost:8080",
    )
    listening.add_argument(
        "--allow-remote",
        action="store_true",
        default=None,
        help="with --tcp and --ws: listen on another address than loopback, though there is no TLS",
    )
    options = parser.add_argument_group("with --http")
    options.add_argument("--model", help="a known model, or a folder")
    options.add_argument("--device", help="auto, cpu, cuda or cuda:N")
    options.add_argument("--threads", type=_positive, help="CPU threads for the model")


def _add_engine(parser: argparse.ArgumentParser, model: str = Settings().model) -> None:
    defaults = Settings()
    parser.add_argument("--model", default=model, help="a known model, or a folder")
    parser.add_argument("--device", default=defaults.device, help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=_positive, default=None, help="CPU threads for the model")
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number
