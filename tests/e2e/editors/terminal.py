"""An editor in a terminal (tmux) of its own, for those that cannot be asked how they are."""

from __future__ import annotations

import io
import os
import re
import subprocess
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100


class Terminal:
    """Started with its first program; sent keys, and read from its screen."""

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux")]
        start = [*self._tmux, "new-session", "-d", "-x", str(WIDTH), "-y", "20", *command]
        environment = {**os.environ, "TERM": "xterm-256color", **environment}
        subprocess.run(start, check=True, env=environment, cwd=folder)

    def keys(self, *keys: str) -> None:
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def wait(self, text: str, seconds: float = 20) -> None:
        """Until the screen shows it."""
        deadline = time.monotonic() + seconds
        while text not in (screen := self.screen()):
            assert time.monotonic() < deadline, screen
            time.sleep(0.05)

    def screen(self) -> str:
        command = [*self._tmux, "capture-pane", "-p"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def picture(self, path: Path, title: str) -> None:
        """The screen as an SVG, in its colours."""
        command = [*self._tmux, "capture-pane", "-p", "-e"]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        console = Console(record=True, width=WIDTH, file=io.StringIO())
        console.print(Text.from_ansi(shown.rstrip("\n")))
        # The fonts would be fetched from elsewhere; the reader's own will do.
        svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)
        path.write_text(svg, "utf-8")

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False)
