"""`infill-lsp` and `infill-lsp serve`: which server this process becomes, or whose relay.

What an editor starts is a relay, and is to stay small: everything else is imported late.
"""

from __future__ import annotations

import argparse
import sys

from infill_lsp import relay
from infill_lsp.commands import CommandError
from infill_lsp.rendezvous import UnreachableError

SHARED = (sys.executable, "-P", "-m", "infill_lsp.cli", "serve", "--shared")
"""Starts the server that windows share, with the socket's path after it."""
_HTTP_OPTIONS = ("token_file", "model", "device", "threads")


def run(arguments: argparse.Namespace) -> int:
    """Serve as the command line says. Most ways end the process."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    if "http" not in given and (stray := [name for name in _HTTP_OPTIONS if name in given]):
        option = stray[0].replace("_", "-")
        raise CommandError(f"--{option} goes with --http; an editor has settings for that")
    if "http" in given:
        return _http(arguments)
    if not (arguments.standalone or given.keys() & {"tcp", "ws", "shared"}):
        try:
            return relay.serve_stdio(SHARED)
        except UnreachableError as why:
            print(f"infill-lsp: no shared server: {why}; this window gets its own", file=sys.stderr)
    from infill_lsp import shared, transport

    if arguments.shared is not None:
        return shared.serve_shared(arguments.shared)
    if arguments.tcp is not None:
        return transport.serve_tcp(*_address(arguments.tcp))
    if arguments.ws is not None:
        return transport.serve_ws(*_address(arguments.ws))
    return transport.serve_stdio()


def _http(arguments: argparse.Namespace) -> int:
    try:
        from infill_lsp.endpoint import app, serving
    except ImportError:
        raise CommandError("--http needs aiohttp: pip install 'infill-lsp[http]'") from None
    from infill_lsp.settings import Settings

    host, port = _address(arguments.http)
    host = host.strip("[]")  # as IPv6 addresses are written before a port
    if not app.is_loopback(host):
        raise CommandError(f"--http listens on loopback addresses only, not on {host}")
    defaults = Settings()
    settings = Settings(
        model=arguments.model or defaults.model,
        device=arguments.device or defaults.device,
        threads=arguments.threads,
    )
    try:
        token = serving.token_from(arguments.token_file)
    except serving.TokenError as error:
        raise CommandError(str(error)) from error
    return serving.serve_http(host, port, settings, token)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise CommandError(f"{text!r} is not [HOST:]PORT, for example 127.0.0.1:8765")
    return host or "127.0.0.1", int(port)
