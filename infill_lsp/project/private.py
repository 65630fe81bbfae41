"""What must not reach another file's prompt: files that are private by name, and text that looks
like it holds a secret (by detect-secrets and `secret_rules`; nothing is sent anywhere to verify it)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from infill_lsp.project.secret_rules import (
    LONGEST_LINE,
    SHORTEST_LINE,
    Lines,
    suspects,
    worth_judging,
)
from infill_lsp.settings import PRIVATE_FILES

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

_NO_SECRETS = {"IPPublicDetector"}
"""Of detect-secrets' plugins, what finds things that are no secrets."""
AROUND = 3
"""Lines before and after a secret that say nothing to other files, either."""


def is_private(path: str) -> bool:
    """Whether a file is private by its name alone, e.g. `.env.local` or `deploy/id_rsa`."""
    return matches(path, PRIVATE_FILES)


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a file's name or path is like one of these patterns; capitals are like small letters."""
    path = path.lower()
    name = PurePosixPath(path).name
    return any(
        fnmatchcase(name, each) or fnmatchcase(path, each) for each in map(str.lower, patterns)
    )


def secret_lines(text: str, path: str) -> tuple[Lines, ...]:
    """Where a whole file looks like it holds keys, tokens or passwords, by its text and its name;
    in order, none touching another."""
    lines, numbers = text.split("\n"), worth_judging(text)
    # detect-secrets knows kinds of files by what their names end with.
    kind = PurePosixPath(path).suffix.lower()
    judged = [number for number in numbers if SHORTEST_LINE <= len(lines[number]) <= LONGEST_LINE]
    found = [(number, number + 1) for number in judged if _is_secret(lines[number], kind)]
    return _merged([*suspects(lines, numbers, path), *found])


def holds_secret(text: str, path: str = "") -> bool:
    """Whether a text looks like it holds one, as `secret_lines` has it."""
    return bool(secret_lines(text, path))


def without(text: str, lines: Iterable[Lines]) -> str:
    """The text with these lines left empty, so that the others keep their numbers."""
    kept = text.split("\n")
    for first, end in lines:
        kept[first:end] = [""] * (end - first)
    return "\n".join(kept)


def beside(lines: Iterable[Lines], first: int, end: int) -> bool:
    """Whether a part of a text is, or stands close to, one of these lines."""
    return any(start - AROUND < end and first < stop + AROUND for start, stop in lines)


def _merged(found: Iterable[Lines]) -> tuple[Lines, ...]:
    merged: list[Lines] = []
    for first, end in sorted(found):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((first, end))
    return tuple(merged)


@lru_cache(maxsize=1 << 14)
def _is_secret(line: str, name: str) -> bool:
    """Whether a plugin finds one in a line of a file with this name. To ask a plugin takes longer than to
    look for its patterns, so those come first."""
    return any(
        plugin.analyze_line(filename=name, line=line, line_number=0)
        for plugin, patterns in _plugins()
        if any(pattern.search(line) for pattern in patterns)
    )


@cache
def _plugins() -> tuple[tuple[BasePlugin, tuple[re.Pattern[str], ...]], ...]:
    """Each plugin, and patterns without any of which it finds nothing."""
    # Imported late: it costs a fifth of a second, and the server's own process never needs it.
    from detect_secrets.core.plugins.initialize import from_plugin_classname
    from detect_secrets.plugins.base import RegexBasedDetector
    from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
    from detect_secrets.plugins.keyword import DENYLIST, KeywordDetector
    from detect_secrets.settings import default_settings

    def patterns(plugin: BasePlugin) -> tuple[re.Pattern[str], ...]:
        if isinstance(plugin, RegexBasedDetector):
            return tuple(plugin.denylist)
        if isinstance(plugin, HighEntropyStringsPlugin):
            return (plugin.regex,)
        if isinstance(plugin, KeywordDetector):
            return (re.compile("|".join(DENYLIST), re.IGNORECASE),)
        return ()

    with default_settings() as settings:
        names = sorted(set(settings.plugins) - _NO_SECRETS)
        plugins: list[BasePlugin] = [from_plugin_classname(name) for name in names]
    return tuple((plugin, patterns(plugin)) for plugin in plugins)
