"""Registries of tiny packages, and clients that hand them out offline."""

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_packages import COPYRIGHT, write_tar


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the whole registry."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return folder


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """`client(name, script)` puts a shell script before all other programs of that name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def install(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IEXEC)

    return install


@pytest.fixture
def archives(tmp_path: Path, client: Callable[[str, str], None]) -> Path:
    """A folder with one package for each registry but pip's, and the clients that serve it."""
    folder = tmp_path / "archives"
    folder.mkdir()
    package_json = json.dumps({"name": "shop", "version": "2.0", "license": "MIT"})
    script = "export function total(lines) {\n  return lines.length;\n}\n" * 3
    write_tar(
        folder / "shop-2.0.tgz",
        {"package/package.json": package_json, "package/src/total.js": script},
    )
    c = "int total(int lines) {\n    int sum = lines + 1;\n    return sum;\n}\n" * 3
    write_tar(
        folder / "shop_3.0.orig.tar.xz", {"shop-3.0/total.c": c, "shop-3.0/gpl/sum.c": c + "//\n"}
    )
    write_tar(folder / "shop_3.0-1.debian.tar.xz", {"debian/copyright": COPYRIGHT})
    (folder / "shop_3.0-1.dsc").write_text("-----BEGIN-----\n\nSource: shop\nBinary: libshop, b\n")
    (folder / "libshop_3.0-1_all.deb").write_text("")
    client("npm", f'[ "$1" = pack ] && cp {folder}/shop-2.0.tgz .')
    client(
        "apt-get",
        f"""case "$*" in
        *update*) mkdir -p lists && touch lists/x_Sources ;;
        *"source --download-only shop") cp {folder}/shop_* . ;;
        *"download libshop") cp {folder}/*.deb . ;;
        *) echo "E: Unable to locate it" >&2; exit 100 ;;
        esac""",
    )
    client(
        "dpkg-deb",
        f"""mkdir -p "$3/usr/share/doc/libshop" "$3/usr/src"
        cp {folder}/copyright "$3/usr/share/doc/libshop"; cp {folder}/total.c "$3/usr/src" """,
    )
    (folder / "copyright").write_text(COPYRIGHT)
    (folder / "total.c").write_text(c)
    return folder
