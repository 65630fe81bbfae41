"""One door for every read of a workspace: nothing outside, nothing that never answers."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from infill_lsp.project import confined
from infill_lsp.project.confined import about_inside, is_file_inside, is_folder_inside, read_inside
from infill_lsp.project.ignore import IgnoreRules
from infill_lsp.project.project import Project

MOST = 1000

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and devices")


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    (tmp_path / "outside.py").write_text("PRIVATE = 1\n")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.py").write_text("x = 1\n")
    return folder


def test_what_lies_inside_is_read(inside: Path) -> None:
    assert read_inside(inside, "deep/a.py", MOST) == b"x = 1\n"
    assert is_file_inside(inside, "deep/a.py")
    assert is_folder_inside(inside, "deep")
    assert is_folder_inside(inside, "")
    assert about_inside(inside, "deep/b.py") is None


@pytest.mark.parametrize(
    "path",
    [
        *("../outside.py", "deep/../../outside.py", "..", "deep/../deep/a.py", "./deep/a.py"),
        *("deep//a.py", "/etc/hostname", "deep/a.py\0", "\0", "deep/a.py/", "x" * 300),
        *("x/" * 3000 + "a.py", "\udcff", "deep", ""),
    ],
)
def test_no_other_path_is(inside: Path, path: str) -> None:
    assert read_inside(inside, path, MOST) is None
    assert not is_file_inside(inside, path)


@posix
def test_no_link_is_followed_wherever_it_stands(inside: Path) -> None:
    (inside / "link.py").symlink_to(inside.parent / "outside.py")
    (inside / "up").symlink_to(inside.parent, target_is_directory=True)
    (inside / "loop").symlink_to("loop")
    for path in ("link.py", "up/outside.py", "up/folder/deep/a.py", "loop", "loop/x"):
        assert read_inside(inside, path, MOST) is None
        assert about_inside(inside, path) is None


@posix
def test_nothing_is_waited_for(inside: Path) -> None:
    os.mkfifo(inside / "fifo.py")
    (inside / "zero.py").symlink_to("/dev/zero")
    if sys.platform == "linux":
        os.mknod(inside / "socket.py", stat.S_IFSOCK | 0o600)
    began = time.monotonic()
    for path in ("fifo.py", "zero.py", "socket.py"):
        assert read_inside(inside, path, MOST) is None
    assert time.monotonic() - began < 1


def test_a_file_that_is_too_big_or_grows_is_not_read(inside: Path) -> None:
    (inside / "big.py").write_bytes(b"x" * (MOST + 1))
    assert read_inside(inside, "big.py", MOST) is None
    if sys.platform == "linux":
        assert read_inside(Path("/proc/self"), "maps", 10) is None, "its size is said to be 0"


def test_without_descriptors_of_folders(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: the path is resolved first."""
    monkeypatch.setattr(confined, "_DESCRIPTORS", False)
    assert read_inside(inside, "deep/a.py", MOST) == b"x = 1\n"
    assert read_inside(inside, "../outside.py", MOST) is None
    if sys.platform != "win32":
        (inside / "link.py").symlink_to(inside.parent / "outside.py")
        assert read_inside(inside, "link.py", MOST) is None


@posix
@pytest.mark.parametrize("kind", ["fifo", "device", "link", "huge"])
def test_an_ignore_file_that_is_none_is_passed_over(inside: Path, kind: str) -> None:
    rules = inside / ".gitignore"
    if kind == "fifo":
        os.mkfifo(rules)
    elif kind == "device":
        rules.symlink_to("/dev/zero")
    elif kind == "link":
        (inside.parent / "rules").write_text("*.py\n")
        rules.symlink_to(inside.parent / "rules")
    else:
        rules.write_bytes(b"*.py\n" * 8_000_000)
    began = time.monotonic()
    assert IgnoreRules(inside).reason("deep/a.py") is None
    assert time.monotonic() - began < 1


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 30 + "*b", "a" * 200),
        ("**/a" * 30 + "/b", "a/" * 60 + "c"),
        ("?*" * 100, "x" * 255),
        ("[" * 500, "x"),
        ("*" * 4000, "x" * 4000),
    ],
)
def test_patterns_are_matched_in_linear_time(inside: Path, pattern: str, path: str) -> None:
    (inside / ".gitignore").write_text(pattern + "\n")
    began = time.monotonic()
    IgnoreRules(inside).reason(path)
    assert time.monotonic() - began < 1


@posix
def test_a_told_path_does_not_lead_out(inside: Path) -> None:
    project = Project(inside, ())
    while project.work():
        pass
    (inside / "late.py").symlink_to(inside.parent / "outside.py")
    (inside / "up").symlink_to(inside.parent, target_is_directory=True)
    project.changed(["late.py", "up/outside.py", "../outside.py", "a\0.py", "deep/a.py"])
    while project.work():
        pass
    assert project.index.paths() == ["deep/a.py"]


@posix
def test_an_environment_that_is_a_link_is_not_the_workspace_s_own(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    packages = inside.parent / "elsewhere"
    packages.mkdir()
    (inside / ".venv" / "lib" / "python3.12").mkdir(parents=True)
    (inside / ".venv" / "pyvenv.cfg").write_text("")
    (inside / ".venv" / "lib" / "python3.12" / "site-packages").symlink_to(packages)
    from infill_lsp.project.files import installed_packages

    assert installed_packages(inside) == ()
