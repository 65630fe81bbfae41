"""What must not reach another file's prompt: files that are private by name, and text that looks
like it holds a secret (by detect-secrets; nothing is sent anywhere to verify it)."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from infill_lsp.settings import PRIVATE_FILES

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

_NO_SECRETS = {"IPPublicDetector"}
"""Of detect-secrets' plugins, what finds things that are no secrets."""
SHORTEST_SECRET = 8
"""Characters of a line below which it holds none."""
_ANYTHING = re.compile("")


def is_private(path: str) -> bool:
    """Whether a file is private by its name alone, e.g. `.env.local` or `deploy/id_rsa`."""
    name = PurePosixPath(path).name.lower()
    return any(fnmatchcase(name, pattern) for pattern in PRIVATE_FILES)


def holds_secret(text: str) -> bool:
    """Whether a line of the text looks like it holds a key, a token or a password."""
    return any(_is_secret(line) for line in text.splitlines() if len(line) >= SHORTEST_SECRET)


@lru_cache(maxsize=1 << 14)
def _is_secret(line: str) -> bool:
    """To ask a plugin takes longer than to look for its patterns, so those come first, and it is
    asked only where one is found."""
    return any(
        plugin.analyze_line(filename="", line=line, line_number=0)
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
        return (_ANYTHING,)

    with default_settings() as settings:
        names = sorted(set(settings.plugins) - _NO_SECRETS)
        plugins: list[BasePlugin] = [from_plugin_classname(name) for name in names]
    return tuple((plugin, patterns(plugin)) for plugin in plugins)
