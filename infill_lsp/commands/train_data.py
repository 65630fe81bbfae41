"""`infill-lsp train data`: a corpus to train on, from the lists of packages.

Interrupt it at any time and run it again: what is finished stays.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infill_lsp.commands import CommandError
from infill_lsp.corpus import machine, packages
from infill_lsp.corpus.catalog import Package, read_packages
from infill_lsp.corpus.contamination import Benchmarks, read_problems
from infill_lsp.corpus.sources import FetchError, Release, fetch


def run(
    out: Path,
    *,
    lists: Path | None = None,
    exclude: tuple[Path, ...] = (),
    python_sources: tuple[Path, ...] = (),
    limit_packages: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> int:
    """Make or finish the corpus in the folder `out`; 1 when it came out empty.

    `lists` replaces the packages of this repository, `exclude` names benchmarks (`.jsonl`,
    `.jsonl.gz`) whose problems are kept out, `python_sources` folders of installed packages that
    are read too, `limit_packages` takes only the first of those to train on and of those held out,
    so many of each. A package that cannot be had is named, and the others go on. `count_tokens`:
    by default with the bundled model's tokenizer.
    """
    try:
        from engine.train.corpus import token_counter
        from infill_lsp.corpus.assembly import Assembly
    except ImportError as error:
        cure = "pip install 'infill-lsp[train]'"
        raise CommandError(f"{error.name} is missing; get it with: {cure}") from error
    try:
        benchmarks = Benchmarks.of(problem for path in exclude for problem in read_problems(path))
        wanted = _first(limit_packages, _wanted(lists, python_sources))
        out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from error

    console = Console(stderr=True, highlight=False)
    failed: list[str] = []
    assembly = Assembly(benchmarks, count_tokens or token_counter())
    with _progress(console) as progress:
        for package, fetch_it in progress.track(wanted, description="packages"):
            try:
                if packages.finished(package, out) is None:
                    packages.make(package, out, fetch_it)
            except FetchError as error:
                failed.append(str(error))
                console.print(f"skipped {error}", markup=False)
        for package, _ in progress.track(wanted, description="copies out"):
            if packages.finished(package, out) is not None:
                assembly.add(package, out)
        task = progress.add_task("writing", total=1)
        manifest = assembly.write(out, failed)
        progress.update(task, completed=1)
    shutil.rmtree(out / "work", ignore_errors=True)
    Console(highlight=False).print(_table(manifest))
    if failed:
        console.print(f"{len(failed)} packages were skipped; run again to try them once more")
    return 0 if manifest["train"].get("documents") else 1


def _first(
    limit: int | None, wanted: list[tuple[Package, packages.Fetch]]
) -> list[tuple[Package, packages.Fetch]]:
    held_out = [entry for entry in wanted if entry[0].held_out]
    train = [entry for entry in wanted if not entry[0].held_out]
    return held_out[:limit] + train[:limit]


def _wanted(
    lists: Path | None, python_sources: tuple[Path, ...]
) -> list[tuple[Package, packages.Fetch]]:
    """Packages with what gets them, held-out ones first; a machine's only where no list names it."""
    listed = read_packages(lists)
    wanted: list[tuple[Package, packages.Fetch]] = [(package, fetch) for package in listed]
    taken = {machine.normalised(entry.name) for entry in listed if entry.registry == "pypi"}
    for folder in python_sources:
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder with Python packages")
        for package, release in machine.installed(folder):
            if package.name not in taken:
                taken.add(package.name)
                wanted.append((package, partial(_as_it_is, release)))
    return wanted


def _as_it_is(release: Release, _package: Package, _folder: Path) -> Release:
    return release


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _table(manifest: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("language")
    for name in ("train MB", "held out MB"):
        table.add_column(name, justify="right")
    train, held_out = manifest["train"]["languages"], manifest["heldout"]["languages"]
    for language in {**train, **held_out}:
        sizes = (f"{part.get(language, 0) / 1e6:.2f}" for part in (train, held_out))
        table.add_row(language, *sizes)
    totals = (manifest[part].get("bytes", 0) / 1e6 for part in ("train", "heldout"))
    table.add_row("all", *(f"{total:.2f}" for total in totals))
    return table
