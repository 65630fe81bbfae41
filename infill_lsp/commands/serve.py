"""`infill-lsp` and `infill-lsp serve`: which server this process becomes, or whose relay.

What an editor starts is a relay, and is to stay small: everything else is imported late.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infill_lsp import relay
from infill_lsp.access import TokenError, is_loopback, token_from
from infill_lsp.commands import CommandError
from infill_lsp.isolation import command
from infill_lsp.rendezvous import UnreachableError

SHARED = (*command("infill_lsp.cli"), "serve", "--shared")
"""Starts the server that windows share, with the socket's path after it."""
_HTTP_OPTIONS = ("model", "device", "threads")
REMOTE = """
infill-lsp: WARNING: listening on {host}, which other machines may reach.
infill-lsp: WARNING: there is no TLS: your code and the token can be read on the way.
"""
_LISTENING = {"tcp", "ws", "http"}


def run(arguments: argparse.Namespace) -> int:
    """Serve as the command line says. Most ways end the process."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    if "http" not in given and (stray := [name for name in _HTTP_OPTIONS if name in given]):
        option = stray[0].replace("_", "-")
        raise CommandError(f"--{option} goes with --http; an editor has settings for that")
    if "token_file" in given and not given.keys() & _LISTENING:
        raise CommandError("--token-file goes with --tcp, --ws and --http")
    if "allow_origin" in given and "ws" not in given:
        raise CommandError("--allow-origin goes with --ws")
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
        host, port = _listening_address(arguments.tcp, "allow_remote" in given)
        return transport.serve_tcp(host, port, _token(given.get("token_file")))
    if arguments.ws is not None:
        host, port = _listening_address(arguments.ws, "allow_remote" in given)
        return transport.serve_ws(
            host, port, _token(given.get("token_file")), given.get("allow_origin", ())
        )
    return transport.serve_stdio()


def _http(arguments: argparse.Namespace) -> int:
    try:
        from infill_lsp.endpoint import serving
    except ImportError:
        raise CommandError("--http needs aiohttp: pip install 'infill-lsp[http]'") from None
    from infill_lsp.settings import Settings

    host, port = _address(arguments.http)
    if not is_loopback(host):
        raise CommandError(f"--http listens on loopback addresses only, not on {host}")
    defaults = Settings()
    settings = Settings(
        model=arguments.model or defaults.model,
        device=arguments.device or defaults.device,
        threads=arguments.threads,
    )
    return serving.serve_http(host, port, settings, _token(arguments.token_file))


def _token(file: Path | None) -> str:
    try:
        return token_from(file)
    except TokenError as error:
        raise CommandError(str(error)) from error


def _listening_address(text: str, allow_remote: bool) -> tuple[str, int]:
    """Loopback, unless that is said to be wanted otherwise."""
    host, port = _address(text)
    if is_loopback(host):
        return host, port
    if not allow_remote:
        raise CommandError(
            f"{host} is not this machine's loopback address: whoever reaches it could read your code as"
            " it passes, for there is no TLS. Use `ssh -L`, or say --allow-remote"
        )
    print(REMOTE.format(host=host), file=sys.stderr)
    return host, port


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise CommandError(f"{text!r} is not [HOST:]PORT, for example 127.0.0.1:8765")
    # Brackets: as IPv6 addresses are written before a port.
    return host.strip("[]") or "127.0.0.1", int(port)
