"""An editor in a terminal (tmux) of its own, for those that cannot be asked how they are."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import pytest
from rich.console import Console
from rich.text import Text
from typist import BACKSPACE, PATIENCE, Key, Screen

WIDTH = 100


class Terminal:
    """Started with its first program; sent keys, and read from its screen."""

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("needs tmux")
        self._tmux = ["tmux", "-S", str(folder / "tmux")]
        start = [*self._tmux, "new-session", "-d", "-x", str(WIDTH), "-y", "20", *command]
        environment = {**os.environ, "TERM": "xterm-256color", **environment}
        subprocess.run(start, check=True, env=environment, cwd=folder)

    def keys(self, *keys: str) -> None:
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def type(self, keys: Iterable[Key]) -> list[Screen]:
        """Type at the keys' own pace. What was shown after each of them."""
        screens, due = [], time.monotonic()
        for key, pause, line in keys:
            code = {"\n": 0x0D, BACKSPACE: 0x7F}.get(key, ord(key))
            subprocess.run([*self._tmux, "send-keys", "-H", f"{code:x}"], check=True)
            due += pause
            time.sleep(max(0.0, due - time.monotonic()))
            screens.append(self.shown())
            deadline = time.monotonic() + PATIENCE
            while not (screen := self.shown()).rows[screen.row].startswith(line):
                assert time.monotonic() < deadline, "\n".join([f"not {line!r}:", *screen.rows])
        return screens

    def wait(self, text: str, seconds: float = 20) -> None:
        """Until the screen shows it."""
        deadline = time.monotonic() + seconds
        while text not in (screen := self.screen()):
            assert time.monotonic() < deadline, screen
            time.sleep(0.05)

    def screen(self) -> str:
        command = [*self._tmux, "capture-pane", "-p"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def shown(self) -> Screen:
        """The screen and its cursor; read until it stays, since an editor draws in parts."""
        ask = ["display-message", "-p", "#{cursor_y} #{cursor_x}", ";", "capture-pane", "-p"]
        before = ""
        while before != (
            now := subprocess.run(
                [*self._tmux, *ask], check=True, capture_output=True, text=True
            ).stdout
        ):
            before = now
        cursor, *rows = now.split("\n")
        row, column = map(int, cursor.split())
        return Screen([line.ljust(WIDTH) for line in rows], row, column)

    def picture(self, path: Path, title: str) -> None:
        """The screen as an SVG, in its colours."""
        command = [*self._tmux, "capture-pane", "-p", "-e"]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        console = Console(record=True, width=WIDTH, file=io.StringIO())
        console.print(Text.from_ansi(shown.rstrip("\n")))
        # The fonts would be fetched from elsewhere; the reader's own will do.
        svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)
        path.write_text(svg, "utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False)
