"""Packages are fetched by each registry's client and unpacked; what fails says what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_packages import PYTHON, write_tar, write_wheel

from infill_lsp.corpus.catalog import Package
from infill_lsp.corpus.sources import FetchError, Release, fetch


def get(registry: str, name: str, folder: Path) -> Release:
    work = folder / "work" / name
    work.mkdir(parents=True, exist_ok=True)
    return fetch(Package(registry, name, held_out=False), work)


def test_wheel(wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "shop", {"shop/app.py": PYTHON.format(name="app")}, "MIT OR Apache-2.0")
    release = get("pypi", "shop", tmp_path)
    assert (release.name, release.version) == ("shop", "1.0")
    assert release.licence == "MIT OR Apache-2.0"
    assert "shop/app.py" in release.files
    assert (release.root / "shop/app.py").read_text() == PYTHON.format(name="app")


def test_npm(archives: Path, tmp_path: Path) -> None:
    release = get("npm", "shop", tmp_path)
    assert (release.name, release.version, release.licence) == ("shop", "2.0", "MIT")
    assert release.files == ("package.json", "src/total.js")


def test_debian_binary(archives: Path, tmp_path: Path) -> None:
    release = get("debian", "libshop", tmp_path)
    assert (release.version, release.licence_of("usr/src/total.c")) == ("3.0-1", "Expat")
    assert "usr/src/total.c" in release.files


@pytest.mark.parametrize("complete", [True, False])
def test_debian_source(archives: Path, tmp_path: Path, complete: bool) -> None:
    """Without its Debian part, the copyright comes from the binary package."""
    if not complete:
        (archives / "shop_3.0-1.debian.tar.xz").unlink()
    release = get("debian-source", "shop", tmp_path)
    assert (release.name, release.version) == ("shop", "3.0-1")
    assert release.files == ("gpl/sum.c", "total.c")
    assert [release.licence_of(path) for path in release.files] == ["GPL-2+", "Expat"]


def test_links_and_paths_outside_are_not_unpacked(archives: Path, tmp_path: Path) -> None:
    write_tar(archives / "shop-2.0.tgz", {"package/package.json": "{}", "../../evil.js": "x"})
    with pytest.raises(FetchError, match=r"shop: cannot be unpacked .*run again"):
        get("npm", "shop", tmp_path)
    assert not list(tmp_path.rglob("evil.js"))


@pytest.mark.parametrize("registry_name", ["pypi", "debian", "debian-source"])
def test_a_package_that_is_not_there_is_named(
    wheels: Path, archives: Path, tmp_path: Path, registry_name: str
) -> None:
    with pytest.raises(FetchError, match=r"^nothing: .*check its name and the network") as caught:
        get(registry_name, "nothing", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_client_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="npm is not installed here; install it"):
        get("npm", "shop", tmp_path)


def test_a_damaged_archive_is_named(archives: Path, tmp_path: Path) -> None:
    (archives / "shop-2.0.tgz").write_bytes(b"not a tar")
    with pytest.raises(FetchError, match="shop: cannot be unpacked"):
        get("npm", "shop", tmp_path)


def test_a_copyright_file_in_prose(archives: Path, tmp_path: Path) -> None:
    (archives / "copyright").write_text("It is free.\n")
    with pytest.raises(FetchError, match="machine-readable"):
        get("debian", "libshop", tmp_path)


def test_a_client_that_does_not_answer(
    client: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client("npm", "exec sleep 30")
    monkeypatch.setattr("infill_lsp.corpus.sources.TIMEOUT", 0.2)
    with pytest.raises(FetchError, match=r"no answer in 0.2 s; run the same command again"):
        get("npm", "shop", tmp_path)
