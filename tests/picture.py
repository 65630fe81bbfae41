"""Draws the README's picture: its first command, run as it stands there.

python tests/picture.py
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

import engine
from engine import Draft, EngineConfig
from infill_lsp.commands.fill import Target, canvas, offset_of, show
from infill_lsp.completion import fill
from infill_lsp.documents import Document
from infill_lsp.settings import Settings

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "editors" / "pictures" / "fill.svg"


def main() -> None:
    command = re.search(
        r"infill-lsp fill (\S+) --to (\S+)", (ROOT / "README.md").read_text("utf-8")
    )
    assert command is not None, "the README has no fill command"
    target = Target.parse(command[1], command[2])
    path = ROOT / target.path
    snapshot = Document(path.as_uri(), path.read_text("utf-8")).snapshot()
    start = offset_of(snapshot, target.line, target.column)
    end = offset_of(snapshot, *target.to) if target.to else start

    console = Console(record=True, width=100, highlight=False)
    console.print(Text(f"$ {command[0]} --watch", style="bold"))
    drafts: list[Draft] = []
    loaded = engine.load(EngineConfig())
    info = loaded.ready.result()
    gap = fill(loaded, snapshot, start, end, settings=Settings(), on_draft=drafts.append)
    filled = asyncio.run(gap)
    loaded.close()
    for draft in drafts:
        if not draft.final:
            step = Text(f"step {draft.step:3}  ", style="dim")
            console.print(step + canvas(draft.fills[0].tokens))
    show(console, snapshot, filled, info)
    PICTURE.parent.mkdir(exist_ok=True)
    svg = console.export_svg(title="infill-lsp")
    # The fonts would be fetched from elsewhere; the reader's own will do.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
