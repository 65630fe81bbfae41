"""Windows of real projects that hold no secret: of the packages that are installed where tests run.

They differ from machine to machine; what is asked of them is a share. What is a secret by its writers' own
word, such as keys and passwords in the packages' tests, is left out.
"""

from __future__ import annotations

import random
import site
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ENDINGS = (
    *(".py", ".pyi", ".h", ".hpp", ".c", ".cpp", ".cu", ".js", ".ts", ".css", ".html", ".json"),
    *(
        ".toml",
        ".yaml",
        ".yml",
        ".cfg",
        ".ini",
        ".md",
        ".rst",
        ".txt",
        ".sh",
        ".sql",
        ".xml",
        ".rs",
        ".go",
    ),
)
LINES = 12
_NOT_CODE = ("test", "RECORD", "METADATA", "licenses", "detect_secrets", "entry_points", "fixtures")


def windows(count: int, seed: int = 3) -> Iterator[tuple[str, str]]:
    """So many (path, text) of windows of 12 lines, the same for the same packages."""
    chance = random.Random(seed)
    by_ending: dict[str, list[Path]] = {}
    for root in (
        *site.getsitepackages(),
        sysconfig.get_path("stdlib"),
        str(Path(__file__).parents[3]),
    ):
        for path in sorted(Path(root).rglob("*")):
            if path.suffix in ENDINGS and not any(part in str(path) for part in _NOT_CODE):
                by_ending.setdefault(path.suffix, []).append(path)
    found = 0
    while found < count:
        # Half of all from Python's files, half from the others, since they are few.
        ending = ".py" if chance.random() < 0.5 else chance.choice(sorted(by_ending))
        path = chance.choice(by_ending[ending])
        try:
            lines = path.read_text("utf-8").split("\n")
        except (OSError, UnicodeDecodeError):
            continue
        if not len(lines) >= 3 or path.stat().st_size > 200_000:
            continue
        start = chance.randrange(max(1, len(lines) - LINES))
        text = "\n".join(lines[start : start + LINES])
        if text.strip():
            found += 1
            yield path.name, text
