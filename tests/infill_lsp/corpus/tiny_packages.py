"""Tiny packages in the archives of each registry."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

PYTHON = '''\
"""Part {name} of a small shop."""


def total_{name}(lines, prices):
    """What all the lines of {name} cost together."""
    result = 0.0
    for item, amount in lines:
        result += prices[item] * amount
    return result
'''
COPYRIGHT = """\
Format: https://example.org/copyright-format/1.0/

Files: *
License: Expat

Files: gpl/*
License: GPL-2+
"""


def write_wheel(folder: Path, name: str, files: Mapping[str, str], licence: str = "MIT") -> None:
    """`NAME-1.0-py3-none-any.whl`, as pip takes it."""
    info = f"{name}-1.0.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n"
        f"License-Expression: {licence}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in contents) + f"{info}/RECORD,,\n"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in {**contents, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)


def write_tar(path: Path, files: Mapping[str, str]) -> None:
    """A tar archive, packed as its name says."""
    with tarfile.open(path, f"w:{path.suffix[1:]}" if path.suffix != ".tgz" else "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
