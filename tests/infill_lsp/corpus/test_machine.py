"""What is installed on a machine, as packages."""

from pathlib import Path

import pytest

from infill_lsp.corpus.machine import installed


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    for name, licence in (("Big_Shop", "MIT"), ("secret", "Proprietary")):
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nLicense-Expression: {licence}\n")
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").write_text("x = 1\n")
        (info / "RECORD").write_text(
            f"{name}/app.py,sha256=x,6\n{name}/gone.py,,\n../../bin/run.py,,\n"
        )
    (tmp_path / "unlisted-1.0.dist-info").mkdir()
    (tmp_path / "unlisted-1.0.dist-info/METADATA").write_text("Name: unlisted\nLicense: MIT\n")
    return tmp_path


def test_packages(site_packages: Path) -> None:
    found = list(installed(site_packages))
    assert [package.key for package, _ in found] == ["machine-big-shop", "machine-secret"]
    release = found[0][1]
    assert (release.name, release.version, release.licence) == ("Big_Shop", "1.2", "MIT")
    assert release.files == ("Big_Shop/app.py",)
    assert found[1][1].licence_of("secret/app.py") == "Proprietary"


def test_the_standard_library_needs_its_licence(tmp_path: Path) -> None:
    folder = tmp_path / "python3.11"
    (folder / "site-packages/a").mkdir(parents=True)
    for path in ("os.py", "json/decoder.py", "site-packages/a/b.py"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("x = 1\n")
    ((package, release),) = installed(folder)
    assert package.key == "machine-python"
    assert release.version == "3.11"
    assert release.files == ("json/decoder.py", "os.py")
    assert release.licence == ""
    (folder / "LICENSE.txt").write_text("PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2\n")
    ((_, release),) = installed(folder)
    assert release.licence == "PSF-2.0"
