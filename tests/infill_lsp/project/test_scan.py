"""Which files are read at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from workspace_files import write

from infill_lsp.project import scan
from infill_lsp.project.ignore import IgnoreRules


def found(root: Path) -> list[str]:
    return list(scan.source_files(root, IgnoreRules(root)))


def test_sources_only_shallow_first(tmp_path: Path) -> None:
    write(
        tmp_path,
        dict.fromkeys(
            [
                *("b.py", "a.ts", "deep/er/c.go", "deep/d.rs", "picture.png", ".env", "server.pem"),
                *(
                    "node_modules/x/index.js",
                    "out/gen.py",
                    "my-python/pyvenv.cfg",
                    "my-python/x.py",
                ),
            ],
            "x",
        )
        | {".gitignore": "out/\n"},
    )
    assert found(tmp_path) == ["a.ts", "b.py", "deep/d.rs", "deep/er/c.go"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_a_name_that_is_not_utf8_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x"})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.py")).write_text("x")
    assert found(tmp_path) == ["a.py"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"real/a.py": "x"})
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b.py").symlink_to(tmp_path / "real" / "a.py")
    assert found(tmp_path) == ["real/a.py"]


def test_a_folder_has_a_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {f"{number}.py": "x" for number in range(5)})
    monkeypatch.setattr(scan, "MOST_FILES", 3)
    assert len(found(tmp_path)) == 3


def test_the_home_folder_is_refused_and_what_is_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "users" / "me"
    (home / "project").mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    for folder in (home, home.parent, Path("/")):
        assert "home folder" in (scan.refusal(folder) or "")
    assert scan.refusal(home / "project") is None
    assert "not a folder" in (scan.refusal(home / "nowhere") or "")


@pytest.mark.parametrize("content", [b"a\0b", b"\xff\xfe", b"x" * (scan.LARGEST_FILE + 1)])
def test_what_is_no_source_is_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.py").write_bytes(content)
    assert scan.read_source(tmp_path, "a.py") is None


def test_line_ends_are_read_as_one_kind(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x\r\ny\n")
    assert scan.read_source(tmp_path, "a.py") == "x\ny\n"
