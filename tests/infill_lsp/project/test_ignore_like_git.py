"""The rules against git itself: on random trees, and where repositories are not plain folders."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from workspace_files import write

from infill_lsp.project.git import GitIgnore
from infill_lsp.project.ignore import IgnoreRules

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is the reference")

NAMES = ("a", "b", "c.py", "d.log", "e f", "build")
PATTERNS = ("a", "b/", "/a", "*.py", "*.log", "!c.py", "a/*", "**/b", "build/", "!build", "e f")


@pytest.fixture(autouse=True)
def no_global_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    return subprocess.run(
        ["git", *identity, "-C", folder, *words], check=True, capture_output=True, text=True
    ).stdout


def init(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    return folder


def tree(choose: random.Random) -> dict[str, str]:
    """Some files, and ignore files among them."""
    files = {
        "/".join(
            [*choose.choices(NAMES[:2] + NAMES[4:], k=depth), choose.choice(NAMES[2:4])]
        ): "x\n"
        for depth in choose.choices(range(4), k=8)
    }
    folders = sorted({path.rpartition("/")[0] for path in files} | {""})
    for folder in choose.sample(folders, k=min(3, len(folders))):
        rules = "\n".join(choose.sample(PATTERNS, k=3)) + "\n"
        files[f"{folder}/.gitignore".lstrip("/")] = rules
    return files


@pytest.mark.parametrize("seed", range(12))
def test_random_trees(seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)
    top = init(tmp_path / "w")
    files = tree(choose)
    write(top, files)
    others = git(top, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    for rules in (IgnoreRules(top), IgnoreRules(top, ask_git=False)):
        kept = {path for path in files if rules.reason(path) is None}
        skipped = {path for path in files if "build" not in path.split("/")[:-1]}
        assert kept & skipped == set(others) & skipped


@pytest.mark.parametrize("ask_git", [True, False])
def test_a_subfolder_follows_its_repository(tmp_path: Path, ask_git: bool) -> None:
    top = init(tmp_path / "w")
    write(top, {".gitignore": "*.key\n/app/local.py\n", "app/a.key": "", "app/local.py": ""})
    write(top, {".infillignore": "drafts/\n", "app/drafts/x.py": "", "app/b.py": ""})
    rules = IgnoreRules(top / "app", ask_git)
    assert rules.reason("a.key")
    assert rules.reason("local.py")
    assert rules.reason("drafts/x.py")
    assert rules.reason("b.py") is None


@pytest.mark.parametrize("ask_git", [True, False])
def test_the_users_own_excludes(tmp_path: Path, ask_git: bool) -> None:
    top = init(tmp_path / "w")
    write(tmp_path / "config", {"git/ignore": "*.secret\n"})
    write(top, {"a.secret": "", "b.py": ""})
    rules = IgnoreRules(top, ask_git)
    assert rules.reason("a.secret")
    assert rules.reason("b.py") is None


def test_core_excludes_file(tmp_path: Path) -> None:
    top = init(tmp_path / "w")
    write(tmp_path, {"mine": "*.mine\n"})
    git(top, "config", "core.excludesFile", str(tmp_path / "mine"))
    write(top, {"a.mine": "", "b.py": ""})
    assert IgnoreRules(top).reason("a.mine")


@pytest.mark.parametrize("ask_git", [True, False])
def test_a_worktree_has_its_repositorys_excludes(tmp_path: Path, ask_git: bool) -> None:
    top = init(tmp_path / "w")
    write(top, {"a.py": "x\n"})
    git(top, "add", "a.py")
    git(top, "commit", "-qm", "a")
    git(top, "worktree", "add", "-q", str(tmp_path / "other"))
    write(top, {".git/info/exclude": "notes.py\n"})
    write(tmp_path / "other", {"notes.py": "", "b.py": ""})
    rules = IgnoreRules(tmp_path / "other", ask_git)
    assert rules.reason("notes.py")
    assert rules.reason("b.py") is None


@pytest.mark.parametrize("ask_git", [True, False])
def test_a_submodule_follows_its_own_rules(tmp_path: Path, ask_git: bool) -> None:
    part, top = init(tmp_path / "part"), init(tmp_path / "w")
    write(part, {"p.py": "x\n"})
    git(part, "add", "p.py")
    git(part, "commit", "-qm", "p")
    git(top, "submodule", "add", "-q", str(part), "lib")
    write(
        top,
        {".gitignore": "*.tmp\n", "lib/.gitignore": "*.gen\n", "lib/a.gen": "", "lib/a.tmp": ""},
    )
    rules = IgnoreRules(top, ask_git)
    assert rules.reason("lib/a.gen")
    assert rules.reason("lib/a.tmp") is None, "the outer rules end at the submodule"


def test_what_is_tracked_is_not_ignored(tmp_path: Path) -> None:
    top = init(tmp_path / "w")
    write(top, {".gitignore": "*.gen\n", "a.gen": "x\n", "b.gen": "x\n"})
    git(top, "add", "-f", "a.gen")
    rules = IgnoreRules(top)
    assert rules.reason("a.gen") is None
    assert rules.reason("b.gen")


def test_infillignore_outranks_git_both_ways(tmp_path: Path) -> None:
    top = init(tmp_path / "w")
    write(top, {".gitignore": "gen/\n", ".infillignore": "!gen/\nsecret.py\n"})
    write(top, {"gen/a.py": "", "secret.py": ""})
    rules = IgnoreRules(top)
    assert rules.reason("gen/a.py") is None
    assert rules.reason("secret.py")


def test_git_that_does_not_answer_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = init(tmp_path / "w")
    write(top, {".gitignore": "*.log\n", "a.log": ""})
    stuck = tmp_path / "bin" / "git"
    write(tmp_path, {"bin/git": "#!/bin/sh\nexec sleep 60\n"})
    stuck.chmod(0o700)
    monkeypatch.setenv("PATH", f"{stuck.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("infill_lsp.project.git.PATIENCE", 0.1)
    assert GitIgnore(top).source("a.log") is None
    assert IgnoreRules(top).reason("a.log"), "the library says so"


def test_a_path_that_git_refuses_is_no_end(tmp_path: Path) -> None:
    top = init(tmp_path / "w")
    write(top, {".gitignore": "*.log\n", "a.log": "", "real/b.py": ""})
    (top / "link").symlink_to(top / "real")
    rules = IgnoreRules(top)
    rules.reason("link/b.py")
    assert rules.reason("a.log")


@pytest.mark.parametrize("ask_git", [True, False])
def test_a_link_to_a_folder_of_a_repository(tmp_path: Path, ask_git: bool) -> None:
    top = init(tmp_path / "w")
    write(top, {".gitignore": "*.log\n", "app/a.log": "", "app/b.py": ""})
    (tmp_path / "link").symlink_to(top / "app")
    rules = IgnoreRules(tmp_path / "link", ask_git)
    assert rules.reason("a.log")
    assert rules.reason("b.py") is None
