"""Who may ask a server that listens on a port: whoever knows its token.

A port of the loopback interface is open to every user of the machine and to every page in a browser. So
`--tcp`, `--ws` and `--http` want a token, which LSP's clients name in `initialize`, since that is what
every editor lets its user set.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import sys
from pathlib import Path
from typing import Any

TOKEN_VARIABLE = "INFILL_TOKEN"
WANTED = (
    "this server wants its token in `initialize`: initializationOptions.infill.token"
    " (it was printed at its start, or lies where --token-file says)"
)


class TokenError(Exception):
    """There is no token where it should be. The message says what to do."""


def token_from(file: Path | None) -> str:
    """The token: out of a file, else out of the environment, else a new one, which is printed.
    Raises TokenError."""
    if file is None and (token := os.environ.get(TOKEN_VARIABLE, "").strip()):
        return token
    if file is None:
        token = secrets.token_urlsafe(24)
        print(f"infill-lsp: token: {token}", file=sys.stderr)
        return token
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise TokenError(f"cannot read the token in {file}: {error}") from error
    if not token:
        raise TokenError(f"{file} is empty; write a token into it, e.g. `openssl rand -hex 24`")
    return token


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def same(given: object, wanted: str) -> bool:
    """Whether a token is the right one, in a time that does not tell how much of it is."""
    if not isinstance(given, str):
        return False
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass")
    )


def admits(wanted: str | None, params: Any) -> bool:
    """Whether the parameters of `initialize` name the token, which is taken out of them.

    wanted: None where nobody else can connect.
    """
    options = params.get("initializationOptions") if isinstance(params, dict) else None
    section = options.get("infill", options) if isinstance(options, dict) else None
    given = section.pop("token", None) if isinstance(section, dict) else None
    return wanted is None or same(given, wanted)
