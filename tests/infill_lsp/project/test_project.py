"""From a workspace to the pieces for a gap: every source, the budget, and what must stay out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from workspace_files import read_all, write

from infill_lsp.context import gather
from infill_lsp.documents import Document
from infill_lsp.project.assembly import BUDGET, SOURCES, Answer, assemble
from infill_lsp.project.project import Project
from infill_lsp.project.sources import Piece, Question, question

MakeProject = Callable[..., Project]
PRICES = """\
LIMIT = 3

class Catalog:
    names: list[str]

    def price_of(self, name: str) -> int:
        cents = 100
        return cents

def discount(price: int, share: float = 0.1) -> int:
    return round(price * share)
"""


def asked(text: str, path: str = "main.py") -> Question:
    """A gap at `‸`."""
    before, _, after = text.partition("‸")
    document = Document(f"file:///w/{path}", before + after, path=path)
    return question(gather(document.snapshot(), len(before)))


def answered(project: Project, text: str, source: str, path: str = "main.py") -> list[str]:
    return [each.text for each in project.answer(asked(text, path), (source,)).snippets]


def test_what_was_imported_by_name_is_shown_with_its_members(make_project: MakeProject) -> None:
    project = make_project({"shop/prices.py": PRICES})
    assert answered(project, "from shop.prices import Catalog\n\nx = ‸\n", "imports") == [
        "# shop/prices.py\nclass Catalog:\n    names: list[str]\n"
        "    def price_of(self, name: str) -> int:"
    ]


def test_of_an_imported_module_what_is_named_near_the_gap(make_project: MakeProject) -> None:
    project = make_project({"shop/prices.py": PRICES})
    text = "import shop.prices as prices\n\nx = prices.discount(‸)\n"
    (shown,) = answered(project, text, "imports")
    assert shown.endswith("\ndef discount(price: int, share: float = 0.1) -> int:")
    assert "Catalog" not in shown


def test_a_package_passes_on_what_its_modules_define(make_project: MakeProject) -> None:
    project = make_project(
        {"shop/__init__.py": "from shop.prices import Catalog\n", "shop/prices.py": PRICES}
    )
    text = "from shop import Catalog\n\nx = Catalog(‸)\n"
    assert "class Catalog:" in "".join(answered(project, text, "imports"))


def test_installed_packages_are_followed_but_not_indexed(
    make_project: MakeProject, tmp_path: Path
) -> None:
    site = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    write(site, {"tides/__init__.py": "def height(port: str) -> float: ...\n"})
    project = make_project({"main.py": ""}, packages=(site,))
    text = "from tides import height\n\nx = ‸\n"
    assert answered(project, text, "imports") == [
        "# tides/__init__.py\ndef height(port: str) -> float:"
    ]
    assert project.index.paths() == ["main.py"]


def test_an_ignored_file_is_not_taken_for_an_installed_one(
    make_project: MakeProject, tmp_path: Path
) -> None:
    site = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    write(site, {"tides.py": "def height(port: str) -> float: ...\n"})
    project = make_project(
        {"tides.py": "def height(hidden): ...\n", ".gitignore": "tides.py\n"}, packages=(site,)
    )
    text = "from tides import height\n\nx = ‸\n"
    assert answered(project, text, "imports") == ["# tides.py\ndef height(port: str) -> float:"]


def test_an_installed_package_passes_on_what_its_modules_define(
    make_project: MakeProject, tmp_path: Path
) -> None:
    site = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    write(site, {"shop/__init__.py": "from .prices import Catalog\n", "shop/prices.py": PRICES})
    project = make_project({}, packages=(site,))
    text = "from shop import Catalog\n\nx = Catalog(‸)\n"
    assert "class Catalog:" in "".join(answered(project, text, "imports"))


def test_the_workspaces_environment_is_found(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".venv/pyvenv.cfg": "",
            ".venv/lib/python3.12/site-packages/tides.py": "def height(port: str) -> float: ...\n",
        },
    )
    project = Project(tmp_path)
    read_all(project)
    assert answered(project, "from tides import height\nx = ‸\n", "imports")


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("app/test_prices.py", "app/prices.py"),
        ("app/prices.py", "tests/test_prices.py"),
        ("web/cart.ts", "web/cart.test.ts"),
        ("lib/buf.c", "include/buf.h"),
        ("src/Cart.java", "test/CartTest.java"),
        ("pkg/store.go", "pkg/store_test.go"),
    ],
)
def test_the_file_that_belongs_to_this_one(
    make_project: MakeProject, path: str, other: str
) -> None:
    sample = {
        ".py": "def f(a): ...\n",
        ".ts": "export function f(a: number) {}\n",
        ".h": "struct f { int a; };\n",
        ".java": "class f { }\n",
        ".go": "package p\n\nfunc f(a int) {}\n",
    }[Path(other).suffix]
    project = make_project({other: sample, "unrelated/b.py": "def g(): ...\n"})
    shown = project.answer(asked("‸", path), ("sibling",)).verdicts
    assert [each.piece.path for each in shown] == [other]


def test_the_signature_of_what_is_called_near_the_gap(make_project: MakeProject) -> None:
    project = make_project({"a.py": PRICES, "b.ts": "function discount(p: number) {}\n"})
    assert answered(project, "y = discount(‸)\n", "called") == [
        "# a.py\ndef discount(price: int, share: float = 0.1) -> int:"
    ]


def test_a_similar_region_is_cut_to_its_likest_lines(make_project: MakeProject) -> None:
    filler = "value = 0\n" * 15
    project = make_project({"a.py": filler + "tide = harbour.height(noon)\nship.wait(tide)\n"})
    (shown,) = answered(project, "tide = harbour.height(‸)\n", "similar")
    assert "ship.wait(tide)" in shown
    assert shown.count("\n") <= 12


def test_recently_edited_regions_of_other_files_only(make_project: MakeProject) -> None:
    project = make_project({"a.py": "", "main.py": "", ".gitignore": "out/\n"})
    project.remember("a.py", 10, "first_edit = 1\n")
    project.remember("a.py", 12, "second_edit = 2\n")  # overlaps the first
    project.remember("main.py", 1, "own = 1\n")
    project.remember("out/gen.py", 1, "generated = 1\n")
    project.remember(".env", 1, "KEY=1\n")
    assert answered(project, "x = ‸\n", "recent") == ["# a.py\nsecond_edit = 2"]


def test_secrets_stay_out_of_every_other_files_prompt(make_project: MakeProject) -> None:
    secret = "ghp_012345678901234567890123456789abcdef"
    code = f"def connect_harbour(token='{secret}'):\n    harbour.login(token)\n"
    project = make_project(
        {"client.py": code, ".env": f"TOKEN={secret}\n", "keys/server.pem": secret}
    )
    project.remember("client.py", 0, code)
    text = "from client import connect_harbour\n\nconnect_harbour(harbour.login‸)\n"
    answer = project.answer(asked(text), SOURCES)
    assert answer.snippets == ()
    assert {each.left_out for each in answer.verdicts} == {
        "looks like it holds a secret, or stands beside one"
    }
    assert project.index.paths() == ["client.py"]


def test_changes_on_disk_are_followed(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project({"a.py": "def old(): ...\n"})
    write(tmp_path, {"a.py": "def renamed(): ...\n", "b.py": "def added(): ...\n"})
    project.changed(["a.py", "b.py"])
    read_all(project)
    assert project.index.defined("old", 3) == []
    assert project.index.defined("renamed", 3)
    (tmp_path / "b.py").unlink()
    write(tmp_path, {".infillignore": "a.py\n"})
    project.changed(["b.py", ".infillignore"])
    read_all(project)
    assert project.index.paths() == []


def test_whole_folders_come_and_go(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project({"a.py": "", "old/b.py": "", "old/deep/c.py": ""})
    shutil.rmtree(tmp_path / "old")
    write(tmp_path, {"new/d.py": ""})
    project.changed(["old", "new"])
    read_all(project)
    assert project.index.paths() == ["a.py", "new/d.py"]


def test_a_refused_folder_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(tmp_path, {"a.py": PRICES})
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    project = Project(tmp_path)
    read_all(project)
    project.remember("a.py", 0, PRICES)
    assert project.refused
    assert project.index.paths() == []
    assert project.answer(asked("from a import Catalog\nx = ‸")) == Answer()


def pieces(source: str, count: int, size: int) -> list[Piece]:
    return [Piece(source, f"{source}{n}.py", 0, f"{n}" + "x" * (size - 1)) for n in range(count)]


def test_each_source_keeps_to_its_budget_and_to_its_place() -> None:
    candidates = {source: pieces(source, 9, 390) for source in reversed(SOURCES)}
    answer = assemble(candidates, "python")
    order = [each.path.rstrip("0123456789.py") for each in answer.snippets]
    assert list(dict.fromkeys(order)) == list(SOURCES)
    for source, most in BUDGET.items():
        texts = [each.text for each in answer.snippets if each.path.startswith(source)]
        assert 0 < sum(map(len, texts)) <= most
        left_out = [
            each for each in answer.verdicts if each.piece.source == source and each.left_out
        ]
        assert len(texts) + len(left_out) == 9
        assert all("longer than what" in (each.left_out or "") for each in left_out)


def test_nothing_is_said_twice() -> None:
    piece = Piece("imports", "a.py", 0, "def f(): ...")
    again = Piece("called", "a.py", 0, "def f(): ...")
    own = Piece("similar", "b.py", 0, "x = compute()")
    answer = assemble(
        {"imports": [piece], "called": [again], "similar": [own]}, "python", "y\nx = compute()\n"
    )
    assert [each.left_out for each in answer.verdicts] == [
        None,
        "already there",
        "the file itself says so",
    ]


def test_a_new_file_is_shown_the_header_of_the_others_and_no_other_place_is(
    make_project: MakeProject,
) -> None:
    notice = "# Copyright 2021 Example Inc.\n# SPDX-License-Identifier: MIT\n"
    project = make_project(
        {"a.py": notice + "x = 1\n", "b.py": notice + "y = 2\n", "c.go": "// c\n"}
    )
    assert [each.text for each in project.answer(asked("# ‸\n"), ()).snippets] == [notice.rstrip()]
    assert project.answer(asked("import a\n# ‸\n"), ()).snippets == ()
    assert project.answer(asked("// ‸\n", "d.go"), ()).snippets == ()
