"""What must never reach another file's prompt."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infill_lsp.project.private import SHORTEST_SECRET, _plugins, holds_secret, is_private


@pytest.mark.parametrize(
    "path",
    [
        *(
            ".env",
            "deploy/.env.local",
            "prod.env",
            "certs/server.pem",
            "a/ID_RSA",
            "id_ed25519.pub",
        ),
        *(".netrc", ".aws/credentials", "credentials.json", "infra/secrets.yaml", "x.tfstate"),
    ],
)
def test_private_by_name(path: str) -> None:
    assert is_private(path)


@pytest.mark.parametrize(
    "path", ["secrets.py", "environment.py", "keys.py", "src/credentials.ts", "env.go", "monkey.c"]
)
def test_source_about_secrets_is_no_secret(path: str) -> None:
    assert not is_private(path)


@pytest.mark.parametrize(
    "line",
    [
        "AWS_KEY = 'AKIAIOSFODNN7EXAMPLE'",
        "token: ghp_012345678901234567890123456789abcdef",
        "-----BEGIN RSA PRIVATE KEY-----",
        'password = "correct horse battery"',
        'digest = "5f4dcc3b5aa765d61d8327deb882cf99"',
        "https://user:hunter22@example.com/",
    ],
)
def test_a_line_with_a_secret_is_found_anywhere(line: str) -> None:
    assert holds_secret(f"def f():\n    return 1\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "password = get_password()",
        "def token(self) -> Token:",
        'name = "infill-lsp"',
        'HOST = "127.0.0.1"',
        "secret: str",
    ],
)
def test_code_that_speaks_of_secrets_is_let_through(line: str) -> None:
    assert not holds_secret(line)


PIECES = [
    *(
        "password",
        "api_key",
        "AKIA",
        "ghp_",
        "xoxb-",
        "eyJ",
        "sk_live_",
        "glpat-",
        "https://",
        "SG.",
    ),
    *(
        "'",
        '"',
        "=",
        ":",
        " ",
        "==",
        "=>",
        "@",
        ".",
        "-",
        "/",
        ";",
        "0123456789abcdef",
        "A1b2C3d4E5f6",
    ),
    *(
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "012345678901234567890123456789abcdef",
        "IOSFODNN7EXAMPLE",
    ),
]
lines = st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join)


@given(st.lists(lines, max_size=3))
def test_it_is_as_if_every_plugin_were_asked_of_every_line(text: list[str]) -> None:
    asked = [
        plugin.analyze_line(filename="", line=line, line_number=0)
        for line in text
        if len(line) >= SHORTEST_SECRET
        for plugin, _ in _plugins()
    ]
    assert holds_secret("\n".join(text)) == any(asked)


def test_nobody_is_asked_whether_a_secret_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert holds_secret("slack = 'xoxb-" + "123456789012-123456789012-abcdefghijklmnopqrstuvwx'")
