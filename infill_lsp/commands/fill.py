"""`infill-lsp fill`: the editor's path for one gap of a file on disk, made visible."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

import engine
from engine import Draft, EngineConfig, EngineInfo, Token
from infill_lsp.commands import CommandError, explain_context
from infill_lsp.completion import fill as fill_gap
from infill_lsp.completion import no_neighbours
from infill_lsp.documents import Document, Snapshot
from infill_lsp.items import explained
from infill_lsp.outcome import Filled
from infill_lsp.settings import Settings

LARGEST_FILE = 5_000_000
"""Bytes. Beyond it is data, not source."""
SHOWN_LINES = 4
"""Lines shown before and after the gap."""
LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Target:
    """A gap of a file: lines and columns from 1, columns in characters."""

    path: Path
    line: int
    column: int
    to: tuple[int, int] | None

    @classmethod
    def parse(cls, text: str, to: str | None) -> Target:
        """From `FILE:LINE:COL` and `LINE:COL`."""
        found = re.fullmatch(r"(.+):(\d+):(\d+)", text)
        if found is None:
            raise CommandError(f"{text!r} is not FILE:LINE:COL, for example app.py:12:20")
        end = re.fullmatch(r"(\d+):(\d+)", to) if to is not None else None
        if to is not None and end is None:
            raise CommandError(f"--to {to!r} is not LINE:COL, for example 14:1")
        return cls(
            Path(found[1]),
            int(found[2]),
            int(found[3]),
            (int(end[1]), int(end[2])) if end else None,
        )


def run(
    target: Target,
    config: EngineConfig,
    *,
    variants: int,
    seed: int,
    deadline: int | None,
    as_json: bool,
    watch: bool,
    explain: bool = False,
) -> int:
    """Fill and print. 0 when there is something to show, else 1."""
    path = target.path.resolve()
    text = read_source(target.path)
    asked = explain_context.Asked(path) if explain else None
    document = Document(
        path.as_uri(), text, path=asked.path if asked else "", encoding="utf-32"
    )  # fmt: skip
    snapshot = document.snapshot()
    start = offset_of(snapshot, target.line, target.column)
    end = offset_of(snapshot, *target.to) if target.to else start
    if end < start:
        raise CommandError("--to lies before the gap's start; give a place behind it")

    console = Console(highlight=False)
    loaded = engine.load(config)
    try:
        with console.status("loading the model") if console.is_terminal else console.capture():
            info = loaded.ready.result()
        with _Watch(console) if watch and not as_json else _Unwatched() as on_draft:
            filled = asyncio.run(
                fill_gap(
                    loaded,
                    snapshot,
                    start,
                    end,
                    settings=Settings(),
                    variants=variants,
                    seed=seed,
                    deadline=None if deadline is None else deadline / 1000,
                    neighbours=asked.snippets if asked else no_neighbours,
                    on_draft=on_draft,
                )
            )
    finally:
        loaded.close()
    if as_json:
        pieces = explained(asked.answer) if asked else {}
        print(json.dumps({**as_object(filled, info), **pieces}))
    else:
        show(console, snapshot, filled, info)
        if asked:
            stats = filled.draft.stats if filled.draft else None
            explain_context.show(console, asked, stats.dropped_chars if stats else 0)
    return 0 if filled.suggestions else 1


def read_source(path: Path) -> str:
    """The file's text as it stands, line ends too. CommandError when it is no source file."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            size = path.stat().st_size / 1e6
            raise CommandError(
                f"{path} has {size:.1f} MB; files up to {LARGEST_FILE / 1e6:.0f} MB can be filled"
            )
        data = path.read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}. Give a source file.") from error
    if b"\0" in data:
        raise CommandError(f"{path} is binary (it has a zero byte). Give a source file.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path} is not UTF-8 (byte {data[error.start]:#04x} at {error.start}). "
            "Convert it first, for example with iconv."
        ) from error


def offset_of(snapshot: Snapshot, line: int, column: int) -> int:
    """The offset of a place given from 1. CommandError when it lies outside the file."""
    lines = LINE_END.split(snapshot.text)
    if not 1 <= line <= len(lines):
        raise CommandError(f"line {line} is outside the file, which has {len(lines)} lines")
    width = len(lines[line - 1])
    if not 1 <= column <= width + 1:
        raise CommandError(
            f"column {column} is outside line {line}, whose columns go from 1 to {width + 1}"
        )
    return snapshot.offset_at(line - 1, column - 1)


def as_object(filled: Filled, info: EngineInfo) -> dict[str, object]:
    """What `--json` prints."""
    suggestions = filled.suggestions
    result: dict[str, object] = {
        "text": suggestions[0].text if suggestions else None,
        "variants": [{"text": each.text, "confidence": each.confidence} for each in suggestions],
        "silence": filled.silence,
        "model": info.model,
        "device": info.device,
    }
    if filled.draft is not None:
        stats = filled.draft.stats
        result |= {
            "prompt_tokens": stats.prompt_tokens,
            "canvas_tokens": stats.canvas_tokens,
            "steps": stats.steps,
            "forwards": stats.forwards,
            "stop": filled.draft.stop.value,
            "ms": {name: round(ms, 2) for name, ms in {**filled.ms, **stats.ms}.items()},
        }
    return result


def show(console: Console, snapshot: Snapshot, filled: Filled, info: EngineInfo) -> None:
    """The fill in its place, then what it cost."""
    for number, suggestion in enumerate(filled.suggestions, 1):
        if len(filled.suggestions) > 1:
            console.print(f"variant {number}, confidence {suggestion.confidence:.2f}", style="bold")
        filled_in = excerpt(snapshot, suggestion.start, suggestion.end, suggestion.text)
        console.print(filled_in, soft_wrap=True)
    if filled.silence:
        console.print(f"nothing to show: {filled.silence}", style="yellow")
    if filled.draft is not None:
        stats = filled.draft.stats
        console.print(
            f"{info.model} on {info.device}: {stats.prompt_tokens} prompt tokens, "
            f"canvas of {stats.canvas_tokens}, {stats.forwards} forwards, "
            f"{stats.ms['total']:.0f} ms (encode {stats.ms['encode']:.0f}, "
            f"denoise {stats.ms['denoise']:.0f})",
            style="dim",
            soft_wrap=True,
        )


def excerpt(snapshot: Snapshot, start: int, end: int, fill: str) -> Text:
    """The lines around a gap with the fill in it. Lines that it touches are marked with `+`, so
    that it shows without colours too."""
    before = snapshot.text[:start].replace("\r\n", "\n").split("\n")
    after = snapshot.text[end:].replace("\r\n", "\n").split("\n")
    head = before[-SHOWN_LINES - 1 :]
    text = Text("\n".join(head))
    text.append(fill.replace("\r\n", "\n"), style="bold green")
    text.append("\n".join(after[: SHOWN_LINES + 1]))
    touched = range(len(before), len(before) + fill.count("\n") + 1)
    result = Text()
    for number, line in enumerate(text.split("\n", allow_blank=True), len(before) - len(head) + 1):
        result.append(f"{number:5} {'+' if number in touched else ' '} ", style="dim")
        result.append_text(line)
        result.append("\n")
    result.right_crop(1)
    return result


class _Unwatched:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


class _Watch:
    """Draws each draft: on a terminal in one place, elsewhere a line each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=30, transient=False)

    def __enter__(self) -> _Watch:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, draft: Draft) -> None:
        picture = Text(f"step {draft.step:3}  ", style="dim") + canvas(draft.fills[0].tokens)
        if self._console.is_terminal:
            self._live.update(picture)
        else:
            self._console.print(picture)


def canvas(tokens: tuple[Token, ...]) -> Text:
    """A canvas as a person reads it: anchors grey, noise as blocks, tokens the greener the surer."""
    text = Text()
    for token in tokens:
        shown = token.text.replace("\n", "↵")
        if not token.free:
            text.append(shown, style="bright_black")
        elif not token.settled:
            text.append(shown or "░", style="magenta")
        else:
            text.append(shown, style="green" if token.confidence > 0.5 else "yellow")
    return text
