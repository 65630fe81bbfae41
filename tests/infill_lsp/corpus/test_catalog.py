"""The lists of packages: what is read, what is refused, and that ours are in order."""

from pathlib import Path

import pytest

from infill_lsp.corpus.catalog import REGISTRIES, Package, read_packages


def test_entries(tmp_path: Path) -> None:
    path = tmp_path / "packages.toml"
    path.write_text('[npm]\ntrain = ["@a/b: src lib"]\nheld_out = ["c"]\n')
    assert read_packages(path) == [
        Package("npm", "c", held_out=True),
        Package("npm", "@a/b", held_out=False, folders=("src", "lib")),
    ]
    assert read_packages(path)[1].key == "npm-@a+b"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[cargo]\ntrain = ["a"]\n', "cargo.*is none of"),
        ('[npm]\nheldout = ["a"]\n', "heldout is none of"),
        ('[npm]\ntrain = ["a"]\nheld_out = ["a"]\n', "listed twice: npm-a"),
        ("train = 3\n", "packages.toml"),
        ("[npm]\ntrain = [1]\n", "packages.toml"),
        ("[npm\n", "packages.toml"),
    ],
)
def test_wrong_lists_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "packages.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        read_packages(path)


def test_our_own_lists() -> None:
    packages = read_packages()
    assert {package.registry for package in packages} == set(REGISTRIES)
    for registry in REGISTRIES:
        assert any(package.held_out for package in packages if package.registry == registry)
    order = [package.held_out for package in packages]
    assert order == sorted(order, reverse=True), "copies of held-out texts must come later"
    beginning = [package for package in packages if not package.held_out][:40]
    assert {package.registry for package in beginning} == set(REGISTRIES), "a mix from the start"
