"""Ignore files mean what git says they mean."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from workspace_files import write

from infill_lsp.project.ignore import IgnoreRules

RULES = {
    ".gitignore": "*.log\n/build\nsecret/\n!keep.log\ndocs/**/*.tmp\n# comment\n\\#odd.py\n",
    "sub/.gitignore": "*.py\n!main.py\n",
    "sub/deep/.gitignore": "!a.py\nlocal.ts\n",
    ".git/info/exclude": "private.py\n",
}
PATHS = [
    *(
        "a.py",
        "a.log",
        "keep.log",
        "build/x.py",
        "sub/build/x.py",
        "secret/a.py",
        "x/secret/b/c.py",
    ),
    *("sub/a.py", "sub/main.py", "sub/deep/a.py", "sub/deep/b.py", "sub/deep/local.ts", "local.ts"),
    *("docs/a.tmp", "docs/x/y/a.tmp", "docs/a.py", "private.py", "sub/private.py", "#odd.py"),
]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the reference")
def test_the_rules_are_gits(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    write(tmp_path, RULES | dict.fromkeys(PATHS, "x\n"))
    said = subprocess.run(
        ["git", "-C", tmp_path, "check-ignore", *PATHS], capture_output=True, text=True
    )
    rules = IgnoreRules(tmp_path)
    assert {path for path in PATHS if rules.reason(path)} == {
        line.strip('"') for line in said.stdout.splitlines()
    }


def test_infillignore_outranks_gitignore_beside_it(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "*.gen.py\n", ".infillignore": "!good.gen.py\nlegacy/\n"})
    rules = IgnoreRules(tmp_path)
    assert rules.reason("bad.gen.py")
    assert rules.reason("legacy/old.py")
    assert rules.reason("good.gen.py") is None


def test_dependencies_are_left_alone_without_any_rule(tmp_path: Path) -> None:
    rules = IgnoreRules(tmp_path)
    assert rules.reason("web/node_modules/x/index.js") == "node_modules/ is never read"
    assert rules.reason(".venv", folder=True)
    assert rules.reason("node_modules.py") is None


def test_a_reason_says_where_the_rule_is(tmp_path: Path) -> None:
    write(tmp_path, {"a/b/.gitignore": "x.py"})
    assert IgnoreRules(tmp_path).reason("a/b/x.py") == "named by an ignore file in a/b"


def test_a_rule_that_is_none_leaves_the_others(tmp_path: Path) -> None:
    """As in git: it names no file."""
    write(tmp_path, {".gitignore": "*.log\nab[\nx\\\n[a-] *?z\\\n[\ufffd-z]x\n*.tmp\n"})
    rules = IgnoreRules(tmp_path)
    assert rules.reason("a.log")
    assert rules.reason("a.tmp")
    assert rules.reason("a.py") is None
