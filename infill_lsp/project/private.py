"""What must not reach another file's prompt: files that are private by name, and text that looks
like it holds a secret (by detect-secrets; nothing is sent anywhere to verify it)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from infill_lsp.settings import PRIVATE_FILES

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

_NO_SECRETS = {"IPPublicDetector"}
"""Of detect-secrets' plugins, what finds things that are no secrets."""


def is_private(path: str) -> bool:
    """Whether a file is private by its name alone, e.g. `.env.local` or `deploy/id_rsa`."""
    name = PurePosixPath(path).name.lower()
    return any(fnmatchcase(name, pattern) for pattern in PRIVATE_FILES)


@lru_cache(maxsize=4096)
def holds_secret(text: str) -> bool:
    """Whether a line of the text looks like it holds a key, a token or a password."""
    return any(
        plugin.analyze_line(filename="", line=line, line_number=0)
        for line in text.splitlines()
        if len(line) >= 8
        for plugin in _plugins()
    )


@cache
def _plugins() -> tuple[BasePlugin, ...]:
    # Imported late: it costs a fifth of a second, and the server's own process never needs it.
    from detect_secrets.core.plugins.initialize import from_plugin_classname
    from detect_secrets.settings import default_settings

    with default_settings() as settings:
        names = sorted(set(settings.plugins) - _NO_SECRETS)
        return tuple(from_plugin_classname(name) for name in names)
