"""One document in several spellings of its URI."""

from __future__ import annotations

from pathlib import Path

import pytest

from infill_lsp.uris import normal, path_of, relative


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("file:///a%20b/c.py", "file:///a b/c.py"),
        ("file:///c%3A/x.py", "file:///C:/x.py"),
        ("file:///c%3a/x.py", "file:///c:/x.py"),
        ("file:///%7Eme/x.py", "file:///~me/x.py"),
        ("file://localhost/x.py", "file:///x.py"),
        ("file:/x.py", "file:///x.py"),
        ("file:///w/", "file:///w"),
        ("file:///w/./a/../b.py", "file:///w/b.py"),
        ("file:///w//b.py", "file:///w/b.py"),
        ("file:///gr%C3%B6%c3%9fe.py", "file:///größe.py"),
        ("file:///a%2Bb.py", "file:///a+b.py"),
        ("file:///a%5Bid%5D.ts", "file:///a[id].ts"),
        ("vscode-remote://ssh-remote%2Bhost/a.py", "vscode-remote://ssh-remote+host/a.py"),
        ("vscode-notebook-cell:/a%20b.ipynb#W0s", "vscode-notebook-cell:/a b.ipynb#W0s"),
    ],
)
def test_two_spellings(one: str, other: str) -> None:
    assert normal(one) == normal(other)
    assert normal(normal(one)) == normal(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("file:///a.py", "file:///A.py"),
        ("file:///a%2520b.py", "file:///a%20b.py"),
        ("file:///a%23b.py", "file:///a"),
        ("vscode-notebook-cell:/a.ipynb#W0s", "vscode-notebook-cell:/a.ipynb#W1s"),
        ("untitled:Untitled-1", "untitled:Untitled-2"),
        ("git:/a.py?ref=HEAD", "file:///a.py"),
    ],
)
def test_two_documents(one: str, other: str) -> None:
    assert normal(one) != normal(other)


@pytest.mark.parametrize("uri", ["", "no uri", "untitled:Untitled-1", "file://[", "x" * 10_000])
def test_what_needs_no_change(uri: str) -> None:
    assert normal(uri) == uri


def test_paths() -> None:
    assert path_of("file:///a%20b/c.py") == Path("/a b/c.py")
    assert path_of("file:///c%3A/x") == Path("c:/x")
    assert path_of("file:///a%00b") is None
    assert path_of("untitled:1") is None
    assert path_of("") is None


def test_below_a_folder() -> None:
    assert relative("file:///w%20x/a/b.py", "file:///w x/") == "a/b.py"
    assert relative("file:///wx/b.py", "file:///w") is None
    assert relative("vscode-remote://h/w/b.py", "vscode-remote://h/w") == "b.py"
    assert relative("file:///b.py", "") is None
