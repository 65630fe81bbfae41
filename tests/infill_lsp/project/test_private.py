"""What must never reach another file's prompt."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import pytest
from harmless_windows import windows
from hypothesis import given
from hypothesis import strategies as st
from secret_corpus import HUMAN, TOKENS, Planted, planted

from infill_lsp.items import explained
from infill_lsp.project.assembly import SOURCES
from infill_lsp.project.private import (
    _plugins,
    beside,
    holds_secret,
    is_private,
    secret_lines,
    without,
)
from infill_lsp.project.project import Project
from infill_lsp.project.secret_rules import LONGEST_LINE, SHORTEST_LINE
from infill_lsp.project.sources import SHOWN_LINES, Question


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
        *(".env-prod", "env.production", "_netrc", ".my.cnf", "x.tfvars.json", "x.tfstate.backup"),
        *(
            "a/.docker/config.json",
            "pgpass.conf",
            ".ENV",
            "Server.PEM",
            ".ssh/config",
            "k8s/db-secret.yaml",
        ),
    ],
)
def test_private_by_name(path: str) -> None:
    assert is_private(path)


@pytest.mark.parametrize(
    "path",
    [
        "secrets.py",
        "environment.py",
        "keys.py",
        "src/credentials.ts",
        "env.go",
        "monkey.c",
        "config.json",
    ],
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
def test_what_any_plugin_finds_in_any_line_is_found(text: list[str]) -> None:
    """Only lines that are worth it are judged; none is passed over that a plugin would name."""
    asked = [
        plugin.analyze_line(filename="", line=line, line_number=0)
        for line in text
        if len(line) >= SHORTEST_LINE
        for plugin, _ in _plugins()
    ]
    assert holds_secret("\n".join(text)) or not any(asked)


ALL = planted()


def test_the_corpus_is_broad() -> None:
    assert len(ALL) >= 150
    assert len(TOKENS) + len(HUMAN) >= 60
    assert len({each.path.rpartition("/")[2].partition(".")[2] for each in ALL}) >= 20


@pytest.mark.parametrize("secret", ALL, ids=lambda each: each.kind)
def test_no_part_of_a_planted_secret_is_shown(secret: Planted) -> None:
    """Whichever window of the file is looked at, and whatever part of the secret is in it."""
    filler = [f"line {number} of this file" for number in range(40)]
    text = "\n".join([*filler[:20], *secret.text.split("\n"), *filler[20:]])
    found, all_lines = secret_lines(text, secret.path), text.split("\n")
    for first in range(len(all_lines)):
        window = "\n".join(all_lines[first : first + SHOWN_LINES])
        if any(part in window for part in secret.parts):
            assert beside(found, first, first + SHOWN_LINES), f"from line {first} on"
    kept = without(text, found)
    assert not any(part in kept for part in secret.parts)
    assert kept.count("\n") == text.count("\n")


def told(project: Project, question: Question) -> str:
    """Everything that is said for a gap, in prompts and in explanations."""
    answer = project.answer(question, SOURCES)
    return json.dumps([each.text for each in answer.snippets]) + json.dumps(explained(answer))


def test_no_planted_secret_reaches_a_prompt_or_an_explanation(
    make_project: Callable[..., Project],
) -> None:
    """Through the whole project: read from disk, and edited last."""
    names = [f"unusual_name_{number}" for number in range(len(ALL))]
    files = {
        each.path: f"{name} = 1\n{each.text}\n{name} = 2\n"
        for each, name in zip(ALL, names, strict=True)
    }
    project = make_project(files)
    assert len(project.index.paths()) > 100
    for each, name in zip(ALL, names, strict=True):
        project.remember(each.path, 1, files[each.path])
        said = told(project, Question("main.py", "python", (), f"x = {name}\n", name))
        assert each.path in said, "it was considered"
        for part in each.parts:
            assert json.dumps(part)[1:-1] not in said, each.kind


def test_a_part_of_a_key_is_known_by_the_whole_file(make_project: Callable[..., Project]) -> None:
    """The body's lines look like nothing when their quotes and comments are cut away."""
    body = [f"    # chunk {number} abc" for number in range(60)]
    text = (
        "x = 1\n-----BEGIN PRIVATE KEY-----\n" + "\n".join(body) + "\n-----END PRIVATE KEY-----\n"
    )
    assert not holds_secret("\n".join(body), "keys.py")
    project = make_project({"keys.py": text})
    project.remember("keys.py", 40, text)
    (verdict,) = project.answer(Question("main.py", "python", (), "x", "y"), ["recent"]).verdicts
    assert (verdict.piece.text, verdict.left_out is not None) == ("", True)


def test_an_outline_shows_no_secret(make_project: Callable[..., Project]) -> None:
    project = make_project(
        {"a.py": 'TOKEN = "hf_' + "aB3" * 12 + '"\nSAFE = 1\n\ndef fetch(x): ...\n'}
    )
    asked = Question("main.py", "python", ("import a",), "a.TOKEN a.SAFE fetch(", "")
    assert "aB3" not in told(project, asked)
    assert "def fetch(x)" in told(project, asked)


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.trust)])
def test_hardly_anything_harmless_is_withheld(count: int) -> None:
    withheld = [path for path, text in windows(count) if holds_secret(text, path)]
    print(f"{len(withheld)} of {count} windows withheld")
    assert len(withheld) < 0.02 * count + 3


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "line",
    [
        "a-" * 100_000,
        "password=" * 20_000,
        "://:" * 50_000,
        "x" * 200_000,
        "- " * 90_000,
        "<a " * 60_000,
    ],
)
def test_no_line_takes_long(line: str) -> None:
    cut = line[:LONGEST_LINE]
    began = time.perf_counter()
    holds_secret(line, "a.yaml")
    holds_secret("\n".join([cut] * 20), "a.yaml")
    assert time.perf_counter() - began < 5


def test_nobody_is_asked_whether_a_secret_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert holds_secret("slack = 'xoxb-" + "123456789012-123456789012-abcdefghijklmnopqrstuvwx'")
